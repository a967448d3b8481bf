"""What vLLM raises, in a request or a start, becomes one of Midfill's errors."""

import importlib
from types import ModuleType

import pytest

from lsp_server.config import Device
from lsp_server.engine.vllm_build import choose_device
from lsp_server.engine.vllm_errors import (
    StartFailure,
    error_class,
    first_line,
    request_errors,
    start_error,
)
from lsp_server.engine.vllm_options import prepare_environment
from lsp_server.errors import (
    ConfigError,
    EngineDeadError,
    EngineError,
    EngineStartError,
    GenerationError,
    MidfillError,
    ModelIntegrityError,
    RequestRejectedError,
    UnsupportedModelError,
)

#: Every exception that vLLM offers where it answers requests, and what it means here.
#: A new one must be put into this table, with a decision.
EXPECTED = {
    "vllm.exceptions.GenerationError": GenerationError,
    "vllm.exceptions.GracefulHTTPError": RequestRejectedError,
    "vllm.exceptions.LoRAAdapterNotFoundError": RequestRejectedError,
    "vllm.exceptions.MaxQueuedTokensError": RequestRejectedError,
    "vllm.exceptions.ProfilerAlreadyActiveError": RequestRejectedError,
    "vllm.exceptions.QueueOverflowError": RequestRejectedError,
    "vllm.exceptions.RetryableRequestError": GenerationError,
    "vllm.exceptions.VLLMClientError": RequestRejectedError,
    "vllm.exceptions.VLLMError": GenerationError,
    "vllm.exceptions.VLLMNotFoundError": RequestRejectedError,
    "vllm.exceptions.VLLMServerError": GenerationError,
    "vllm.exceptions.VLLMUnprocessableEntityError": RequestRejectedError,
    "vllm.exceptions.VLLMValidationError": RequestRejectedError,
    "vllm.v1.engine.async_llm.InputStreamError": GenerationError,
    "vllm.v1.engine.exceptions.EngineDeadError": EngineDeadError,
    "vllm.v1.engine.exceptions.EngineGenerateError": GenerationError,
    # PyTorch's, which vLLM lets through.
    "torch.AcceleratorError": EngineDeadError,
    "torch.FatalError": EngineDeadError,
    "torch.OutOfMemoryError": GenerationError,
    "torch.distributed.DistBackendError": GenerationError,
    "torch.distributed.DistError": GenerationError,
    "torch.distributed.DistNetworkError": GenerationError,
    "torch.distributed.DistStoreError": GenerationError,
    "torch.distributed.QueueEmptyError": GenerationError,
}

#: Where they are defined.
SOURCES = (
    "vllm.exceptions",
    "vllm.v1.engine.exceptions",
    "vllm.v1.engine.async_llm",
    "torch",
    "torch.distributed",
)


def exceptions_of(module: ModuleType) -> dict[str, type[Exception]]:
    """The exceptions that a module defines, by their full names."""
    # `isinstance` would ask the members themselves, and some of them warn then.
    kinds = (k for k in vars(module).values() if issubclass(type(k), type))
    return {
        f"{kind.__module__}.{kind.__qualname__}": kind
        for kind in kinds
        if issubclass(kind, Exception) and kind.__module__ == module.__name__
    }


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # vLLM's own, at its import
def test_every_exception_of_vllm_is_decided_on() -> None:
    """An exception that a newer vLLM adds fails here until somebody maps it."""
    prepare_environment(choose_device(Device.AUTO))
    found: dict[str, type[Exception]] = {}
    for name in SOURCES:
        found |= exceptions_of(importlib.import_module(name))
    assert {name: error_class(kind) for name, kind in found.items()} == EXPECTED


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        (ValueError("too long"), RequestRejectedError),
        (TypeError("not a list"), RequestRejectedError),
        (NotImplementedError("no beams"), RequestRejectedError),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "no"), RequestRejectedError),
        (MemoryError(), GenerationError),
        (ConnectionResetError("gone"), GenerationError),
        (RuntimeError("odd"), GenerationError),
        (LookupError("nobody foresaw this"), GenerationError),
    ],
    ids=repr,
)
def test_a_fault_keeps_its_cause(raised: Exception, becomes: type[EngineError]) -> None:
    """The error says what happened, to which request and what to do, and why."""
    with pytest.raises(becomes) as caught, request_errors("r1"):
        raise raised
    assert raised is caught.value.__cause__
    assert first_line(raised) == caught.value.what
    assert "request r1" == caught.value.subject
    assert caught.value.remedy


def test_our_own_errors_and_cancellations_pass() -> None:
    """An error that is Midfill's already goes through, and so does what is no error."""
    ours = MidfillError("x", subject="y", remedy="z")
    for raised in (ours, KeyboardInterrupt()):
        with pytest.raises(type(raised)) as caught, request_errors("r1"):
            raise raised
        assert raised is caught.value


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one.\ntwo"), "one"),
        (ValueError("  padded  "), "padded"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_first_line_is_a_clause(error: Exception, line: str) -> None:
    """No full stop, no second line, and never nothing."""
    assert line == first_line(error)


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
    first = StartFailure(type_name=type_name, message=message)
    later = StartFailure(type_name="builtins.Exception", message="WorkerProc failed")
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
    """What fails before any process exists is reported as it is."""
    error = start_error(ValueError("bad dtype\nand more"), (), model="tiny")
    assert "bad dtype" == error.what


def test_the_reason_is_reported_without_its_wrapping() -> None:
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
        (
            StartFailure(type_name="torch.OutOfMemoryError", message="out of memory"),
            True,
        ),
        (StartFailure(type_name="builtins.ImportError", message="no module"), True),
        (StartFailure(type_name="builtins.RuntimeError", message="who knows"), False),
    ],
)
def test_what_only_the_user_can_mend_lasts(
    cause: StartFailure, *, lasting: bool
) -> None:
    """It is not tried again; what may have been chance is."""
    error = start_error(RuntimeError("see above"), (cause,), model="tiny")
    assert isinstance(error, EngineStartError)
    assert lasting is error.lasting
