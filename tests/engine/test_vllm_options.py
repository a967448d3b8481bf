"""Every setting of the user reaches vLLM, and the rest is decided per device."""

import dataclasses
from pathlib import Path

import pytest

from lsp_server.config import Device, Dtype, EngineConfig
from lsp_server.engine.vllm_options import VllmOptions, choose_options
from lsp_server.errors import ConfigError


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
        gpu_memory_utilization=0.5,
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
        shared = chosen.keys() & expected.keys()
        assert {name: expected[name] for name in shared} == {
            name: chosen[name] for name in shared
        }
        assert len(shared) >= 11


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
