"""GPUs are judged by number, compute capability and free memory."""

import pytest

from lsp_server.config import Device, EngineConfig
from lsp_server.doctor.finding import Level
from lsp_server.doctor.gpu import check_gpu
from lsp_server.doctor.torch_facts import Gpu, TorchFacts


def gpu(capability: tuple[int, int] = (9, 0), free_gib: int = 78) -> Gpu:
    """Give a GPU of 80 GiB."""
    return Gpu(
        name="H100",
        capability=capability,
        free_bytes=free_gib << 30,
        total_bytes=80 << 30,
    )


@pytest.mark.parametrize(
    ("gpus", "wanted", "level", "told"),
    [
        ([gpu()], 1, Level.OK, "H100, compute capability 9.0, 78.0 of 80.0 GiB free"),
        ([gpu((7, 5))], 1, Level.OK, "capability 7.5"),
        ([gpu((7, 0))], 1, Level.FAILURE, "capability 7.0"),
        ([], 1, Level.FAILURE, "0 of 1 GPUs"),
        ([gpu()], 2, Level.FAILURE, "1 of 2 GPUs"),
        ([gpu(), gpu()], 2, Level.OK, "; H100"),
        ([gpu(), gpu((6, 1))], 1, Level.OK, "capability 9.0"),
        ([gpu(), gpu((6, 1))], 2, Level.FAILURE, "capability 6.1"),
        ([gpu(free_gib=40)], 1, Level.WARNING, "40.0 of 80.0 GiB free"),
        ([gpu(), gpu(free_gib=8)], 2, Level.WARNING, "8.0 of 80.0 GiB free"),
    ],
)
def test_judgement(gpus: list[Gpu], wanted: int, level: Level, told: str) -> None:
    """As many GPUs as share the model are looked at, and the worst one counts."""
    finding = check_gpu(
        TorchFacts(gpus=tuple(gpus)),
        EngineConfig(tensor_parallel_size=wanted),
        Device.CUDA,
    )
    assert level is finding.level
    assert told in finding.what
    assert bool(finding.remedy) == (level is not Level.OK)


def test_the_share_that_fits_is_told() -> None:
    """Where memory is short, the setting that would fit is in the remedy."""
    facts = TorchFacts(gpus=(gpu(free_gib=40),))
    assert "below 0.50" in check_gpu(facts, EngineConfig(), Device.CUDA).remedy


def test_gpus_do_not_matter_to_the_cpu() -> None:
    """Where the CPU computes nothing is wrong with a machine without GPU."""
    assert Level.OK is check_gpu(TorchFacts(), EngineConfig(), Device.CPU).level
