"""The PyTorch build is judged for the device."""

import pytest

from lsp_server.config import Device
from lsp_server.doctor.finding import Level
from lsp_server.doctor.torch_build import TESTED_TORCH, check_torch
from lsp_server.doctor.torch_facts import TorchFacts

CPU_BUILD = TorchFacts(version=f"{TESTED_TORCH}+cpu")
CUDA_BUILD = TorchFacts(version=f"{TESTED_TORCH}+cu130", cuda="13.0")


@pytest.mark.parametrize(
    ("facts", "device", "level", "told"),
    [
        (CPU_BUILD, Device.CPU, Level.OK, "built for CPUs"),
        (CUDA_BUILD, Device.CUDA, Level.OK, "built for CUDA 13.0"),
        (CUDA_BUILD, Device.CPU, Level.OK, "built for CUDA 13.0"),
        (CPU_BUILD, Device.CUDA, Level.FAILURE, "built for CPUs"),
        (TorchFacts(version="2.9.1+cpu"), Device.CPU, Level.WARNING, TESTED_TORCH),
        (TorchFacts(error="No module named 'torch'"), Device.CPU, Level.FAILURE, "No"),
    ],
)
def test_judgement(facts: TorchFacts, device: Device, level: Level, told: str) -> None:
    """A build that cannot drive the device, or does not import, is a failure."""
    finding = check_torch(facts, device)
    assert level is finding.level
    assert told in finding.what
    assert bool(finding.remedy) == (level is not Level.OK)
