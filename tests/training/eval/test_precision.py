"""Only a 16-bit model on a CPU without AVX-512 is computed in 32 bits."""

from dataclasses import replace

import pytest

from lsp_server.config import Device, Dtype, EngineConfig
from training.eval.contender import Contender
from training.eval.precision import read_cpu, settle_precision


@pytest.mark.parametrize(
    ("method", "device", "cpu", "expected"),
    [
        ("", Device.CPU, "flags : avx2", Dtype.FLOAT32),
        ("", Device.CPU, "flags : avx2 avx512f", Dtype.AUTO),
        ("", Device.CUDA, "flags : avx2", Dtype.AUTO),
        ("gptq", Device.CPU, "flags : avx2", Dtype.AUTO),
    ],
)
def test_precision(
    contender: Contender, method: str, device: Device, cpu: str, expected: Dtype
) -> None:
    """Quantised models, and CPUs that can, stay with the server's rule."""
    model = replace(contender, method=method)
    config = EngineConfig(seed=7)
    settled = settle_precision(model, config, device=device, cpu=cpu)
    assert EngineConfig(dtype=expected, seed=7) == settled


def test_users_word(contender: Contender) -> None:
    """What the user set stands."""
    config = EngineConfig(dtype=Dtype.BFLOAT16)
    model = replace(contender, method="")
    assert config == settle_precision(model, config, device=Device.CPU, cpu="avx2")


def test_reads_this_machine() -> None:
    """On Linux the kernel tells of its processors."""
    assert "processor" in read_cpu()
