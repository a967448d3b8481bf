"""A failed start says why and what to do."""

import pytest

from lsp_server.engine.start_faults import start_error
from lsp_server.engine.start_report import Cause
from lsp_server.errors import (
    ConfigError,
    EngineStartError,
    MidfillError,
    ModelIntegrityError,
    UnsupportedModelError,
)

FRONT_END = RuntimeError(
    "Engine core initialization failed. See root cause above. "
    "Failed core proc(s): {'EngineCore': 1}"
)


@pytest.mark.parametrize(
    ("type_name", "message", "becomes", "remedy"),
    [
        (
            "safetensors_rust.SafetensorError",
            "Error while deserializing header: incomplete metadata",
            ModelIntegrityError,
            "copy or quantise",
        ),
        ("torch.OutOfMemoryError", "CUDA out of memory", EngineStartError, "smaller"),
        ("builtins.MemoryError", "", EngineStartError, "smaller"),
        (
            "builtins.ValueError",
            "4 GiB is needed, larger than the available KV cache memory",
            EngineStartError,
            "engine.max_model_len",
        ),
        (
            "builtins.ValueError",
            "Available memory (9/12 GiB) is less than requested memory for kv (64 GiB)",
            EngineStartError,
            "lower engine.kv_cache_memory_bytes",
        ),
        (
            "builtins.ValueError",
            "No available memory for the cache blocks",
            EngineStartError,
            "raise engine.kv_cache_memory_bytes",
        ),
        (
            "builtins.ValueError",
            "Free memory on startup is less than desired GPU memory utilization",
            EngineStartError,
            "engine.gpu_memory_utilization",
        ),
        (
            "builtins.RuntimeError",
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory",
            EngineStartError,
            "smaller model",
        ),
        (
            "builtins.ValueError",
            "Failed to find a kernel that can implement the WNA16 linear layer",
            UnsupportedModelError,
            "midfill quantize",
        ),
        (
            "builtins.ValueError",
            "Model architectures ['X'] are not supported for now",
            UnsupportedModelError,
            "midfill quantize",
        ),
        (
            "builtins.ValueError",
            "Quantization method specified in the model config (gptq) does not match",
            EngineStartError,
            "engine.quantization",
        ),
        ("builtins.ModuleNotFoundError", "x", EngineStartError, "install"),
        ("builtins.ImportError", "x", EngineStartError, "install"),
        ("builtins.TimeoutError", "x", EngineStartError, "start_timeout_s"),
        ("builtins.AssertionError", "", EngineStartError, "log on stderr"),
    ],
)
def test_the_first_cause_decides(
    type_name: str, message: str, becomes: type[MidfillError], remedy: str
) -> None:
    """Class and remedy follow the first cause; later ones are consequences."""
    first = Cause(type_name=type_name, message=message)
    later = Cause(type_name="builtins.Exception", message="WorkerProc failed")
    error = start_error(FRONT_END, (first, later), model="tiny")
    assert becomes is type(error)
    assert remedy in error.remedy
    assert "tiny" == error.subject
    assert error.what


def test_a_killed_process_means_memory() -> None:
    """A process that the system killed reports nothing; its exit code tells."""
    killed = RuntimeError("Failed core proc(s): {'EngineCore': -9}")
    error = start_error(killed, (), model="tiny")
    assert EngineStartError is type(error)
    assert "memory" in error.remedy


def test_the_front_ends_own_error_counts_without_causes() -> None:
    """What fails before any process exists is told as it is."""
    error = start_error(ValueError("bad dtype\nand more"), (), model="tiny")
    assert "bad dtype" == error.what


def test_the_reason_is_told_without_its_wrapping() -> None:
    """vLLM checks its options in pydantic, whose first line says nothing."""
    wrapped = ValueError(
        "1 validation error for ModelConfig\n"
        "  Value error, Bad dtype. [type=value_error, input_value=1]\n"
        "    For further information visit the site"
    )
    assert "Bad dtype" == start_error(wrapped, (), model="tiny").what


def test_our_own_errors_pass() -> None:
    """An error that is Midfill's already is not dressed again."""
    ours = ConfigError("x", subject="y", remedy="z")
    assert ours is start_error(ours, (), model="tiny")


@pytest.mark.parametrize(
    ("cause", "lasting"),
    [
        (Cause(type_name="torch.OutOfMemoryError", message="out of memory"), True),
        (Cause(type_name="builtins.ImportError", message="no module"), True),
        (Cause(type_name="builtins.RuntimeError", message="who knows"), False),
    ],
)
def test_what_only_the_user_can_mend_lasts(cause: Cause, *, lasting: bool) -> None:
    """It is not tried again; what may have been chance is."""
    error = start_error(RuntimeError("see above"), (cause,), model="tiny")
    assert isinstance(error, EngineStartError)
    assert lasting is error.lasting
