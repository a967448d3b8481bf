"""What vLLM is given: the user's settings, and for the rest what fits the device."""

import dataclasses
import importlib.util
import os
from pathlib import Path

import psutil
import pytest

from lsp_server.config import Device, Dtype, EngineConfig
from lsp_server.engine.vllm_options import (
    VllmOptions,
    choose_options,
    prepare_environment,
    require_memory,
)
from lsp_server.errors import ConfigError, EngineStartError


def options(
    config: EngineConfig | None = None,
    device: Device = Device.CPU,
    quantization: str = "gptq",
) -> VllmOptions:
    """The options for a model of 2,048 tokens."""
    return choose_options(
        config or EngineConfig(),
        device=device,
        model_folder=Path("models/tiny"),
        context_length=2048,
        quantization=quantization,
    )


def test_the_users_settings_are_handed_on() -> None:
    """What the user sets is what vLLM gets, on either device."""
    config = EngineConfig(
        max_model_len=1024,
        tensor_parallel_size=2,
        kv_cache_memory_bytes=5,
        enforce_eager=True,
        max_num_seqs=3,
        max_num_batched_tokens=512,
        seed=7,
        dtype=Dtype.FLOAT16,
        quantization="gptq_marlin",
    )
    for device in (Device.CPU, Device.CUDA):
        chosen = dataclasses.asdict(options(config, device))
        expected = dataclasses.asdict(config) | {
            "dtype": "float16",
            "model": str(Path("models/tiny")),
        }
        shared = chosen.keys() & expected.keys() - {"gpu_memory_utilization"}
        assert {name: expected[name] for name in shared} == {
            name: chosen[name] for name in shared
        }
        assert len(shared) >= 10


def test_a_kv_cache_of_a_given_size_needs_no_free_share_of_the_gpu() -> None:
    """vLLM then starts beside another engine; else it needs the user's share free."""
    share, cache = 0.5, 8 << 30
    either = EngineConfig(gpu_memory_utilization=share)
    both = EngineConfig(gpu_memory_utilization=share, kv_cache_memory_bytes=cache)
    assert share == options(either, Device.CUDA).gpu_memory_utilization
    chosen = options(both, Device.CUDA)
    assert cache == chosen.kv_cache_memory_bytes
    assert 0 < chosen.gpu_memory_utilization < 0.05


def test_what_the_user_leaves_open_is_decided_for_a_cpu() -> None:
    """A CPU gets little memory, small blocks and no compilation."""
    chosen = options()
    assert 2048 == chosen.max_model_len
    assert 1 << 30 == chosen.kv_cache_memory_bytes
    assert 32 == chosen.block_size
    assert chosen.enforce_eager
    assert chosen.max_num_batched_tokens is None
    assert "gptq" == chosen.quantization


@pytest.mark.parametrize(
    ("device", "ranks", "alone"),
    [
        (Device.CPU, 1, True),
        (Device.CPU, 2, False),
        (Device.CUDA, 1, True),
        (Device.CUDA, 2, False),
    ],
)
def test_one_rank_needs_no_worker_process(
    device: Device,
    ranks: int,
    alone: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """The engine core computes by itself where it is alone; else vLLM decides."""
    chosen = options(EngineConfig(tensor_parallel_size=ranks), device)
    backend = chosen.distributed_executor_backend
    assert alone == (backend is not None)
    assert backend is None or backend.endswith(".EngineExecutor")


def test_what_the_user_leaves_open_is_decided_for_cuda() -> None:
    """CUDA gets graphs for small batches, and memory as vLLM sees fit."""
    chosen = options(device=Device.CUDA)
    assert chosen.kv_cache_memory_bytes is None
    assert chosen.block_size is None
    assert not chosen.enforce_eager
    assert "interactivity" == chosen.performance_mode
    assert 512 == chosen.max_cudagraph_capture_size


@pytest.mark.parametrize(
    ("device", "quantization", "dtype"),
    [
        (Device.CPU, "gptq", "bfloat16"),
        (Device.CPU, "", "bfloat16"),
        (Device.CUDA, "gptq", "float16"),
        (Device.CUDA, "", "bfloat16"),
    ],
)
def test_the_type_follows_device_and_model(
    device: Device, quantization: str, dtype: str
) -> None:
    """GPTQ on CUDA computes in float16, everything else in bfloat16."""
    chosen = options(device=device, quantization=quantization)
    assert dtype == chosen.dtype
    assert (quantization or None) == chosen.quantization


def test_more_tokens_than_the_model_knows() -> None:
    """The setting is named, with the most that is possible."""
    with pytest.raises(ConfigError, match="2048") as raised:
        options(EngineConfig(max_model_len=4096))
    assert "engine.max_model_len" == raised.value.subject


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with 3 KiB of weights in two shards."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "model-1.safetensors").write_bytes(bytes(2048))
    (folder / "model-2.safetensors").write_bytes(bytes(1024))
    (folder / "tokenizer.json").write_bytes(bytes(4096))
    return folder


def test_a_model_that_fits_passes(model: Path) -> None:
    """A kibibyte of cache beside three of weights is no trouble."""
    require_memory(model, kv_cache_bytes=1024)


def test_weights_and_cache_count_together(model: Path) -> None:
    """A cache as large as the free memory leaves none for the weights."""
    free_bytes = psutil.virtual_memory().available
    with pytest.raises(EngineStartError, match="GiB are free") as raised:
        # Twice: other programs may free some memory between the two looks.
        require_memory(model, kv_cache_bytes=2 * free_bytes)
    assert "tiny" == raised.value.subject
    assert "engine.kv_cache_memory_bytes" in raised.value.remedy


def test_every_shard_counts(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of all shards are needed, and not a byte more."""
    memory = psutil.virtual_memory()
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: memory._replace(available=4096)
    )
    require_memory(model, kv_cache_bytes=1024)
    with pytest.raises(EngineStartError):
        require_memory(model, kv_cache_bytes=1025)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of the environment end with the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_stdout_and_the_network_are_left_alone() -> None:
    """vLLM logs to stderr, tells nobody and fetches nothing, whatever was set."""
    os.environ["VLLM_LOGGING_STREAM"] = "ext://sys.stdout"
    os.environ["HF_HUB_OFFLINE"] = "0"
    prepare_environment(Device.CPU)
    assert "ext://sys.stderr" == os.environ["VLLM_LOGGING_STREAM"]
    assert {"1"} == {
        os.environ[name]
        for name in ("HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK")
    }


def test_the_users_choice_stands() -> None:
    """A log level from the user is not overruled."""
    os.environ["VLLM_LOGGING_LEVEL"] = "DEBUG"
    prepare_environment(Device.CPU)
    assert "DEBUG" == os.environ["VLLM_LOGGING_LEVEL"]


@pytest.mark.parametrize(
    ("device", "installed", "sampler"),
    [
        (Device.CUDA, False, "0"),
        (Device.CUDA, True, None),
        (Device.CPU, False, None),
    ],
)
def test_flashinfers_sampler_needs_flashinfer(
    monkeypatch: pytest.MonkeyPatch,
    device: Device,
    installed: bool,  # noqa: FBT001 - a case of the table
    sampler: str | None,
) -> None:
    """On CUDA without flashinfer its sampler is switched off."""
    os.environ.pop("VLLM_USE_FLASHINFER_SAMPLER", None)
    spec = importlib.util.find_spec("json") if installed else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    prepare_environment(device)
    assert sampler == os.environ.get("VLLM_USE_FLASHINFER_SAMPLER")


@pytest.mark.parametrize(
    ("logical", "physical", "usable", "threads"),
    [
        (2, 2, 2, "2"),
        (16, 8, 16, "8"),
        (16, 8, 4, "2"),
        (16, None, 4, "4"),
        (None, None, 1, "1"),
        (4, 2, 1, "1"),
        (256, 128, 256, "16"),
    ],
)
def test_a_cpu_computes_with_its_physical_cores(
    monkeypatch: pytest.MonkeyPatch,
    logical: int | None,
    physical: int | None,
    usable: int,
    threads: str,
) -> None:
    """One thread a core that this process may use, within reason."""
    os.environ.pop("OMP_NUM_THREADS", None)
    counts = {True: logical, False: physical}
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: counts[logical])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(usable)))
    prepare_environment(Device.CPU)
    assert threads == os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize(("cores", "expected"), [(2, "false"), (4, "true")])
@pytest.mark.parametrize("device", [Device.CPU, Device.CUDA])
def test_prompts_are_encoded_side_by_side_where_there_are_cores(
    monkeypatch: pytest.MonkeyPatch, device: Device, cores: int, expected: str
) -> None:
    """Two cores gain nothing; the user's own choice stands."""
    os.environ.pop("TOKENIZERS_PARALLELISM", None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    prepare_environment(device)
    assert expected == os.environ["TOKENIZERS_PARALLELISM"]
    os.environ["TOKENIZERS_PARALLELISM"] = "chosen"
    prepare_environment(device)
    assert "chosen" == os.environ["TOKENIZERS_PARALLELISM"]


def test_cuda_keeps_the_threads_of_the_user() -> None:
    """On CUDA, OpenMP is left as it is."""
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        os.environ.pop(name, None)
    prepare_environment(Device.CUDA)
    assert not {"OMP_NUM_THREADS", "OMP_WAIT_POLICY"} & os.environ.keys()


def test_threads_that_wait_do_not_spin() -> None:
    """Beside a busy editor, a waiting thread gives its core away."""
    os.environ.pop("OMP_WAIT_POLICY", None)
    prepare_environment(Device.CPU)
    assert "passive" == os.environ["OMP_WAIT_POLICY"]
