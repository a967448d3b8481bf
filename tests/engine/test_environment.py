"""The environment is set before vLLM is imported."""

import importlib.util
import os

import pytest

from lsp_server.config import Device
from lsp_server.engine import environment, orphan


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of the environment end with the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_stdout_and_the_network_are_left_alone() -> None:
    """vLLM logs to stderr, tells nobody and fetches nothing, whatever was set."""
    os.environ["VLLM_LOGGING_STREAM"] = "ext://sys.stdout"
    os.environ["HF_HUB_OFFLINE"] = "0"
    environment.prepare_environment(Device.CPU)
    assert "ext://sys.stderr" == os.environ["VLLM_LOGGING_STREAM"]
    assert {"1"} == {
        os.environ[name]
        for name in ("HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK")
    }


def test_the_owner_is_this_process() -> None:
    """Engine processes can tell whose they are."""
    environment.prepare_environment(Device.CPU)
    assert str(os.getpid()) == os.environ[orphan.OWNER_VARIABLE]


def test_the_users_choice_stands() -> None:
    """A log level from the user is not overruled."""
    os.environ["VLLM_LOGGING_LEVEL"] = "DEBUG"
    environment.prepare_environment(Device.CPU)
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
    environment.prepare_environment(device)
    assert sampler == os.environ.get("VLLM_USE_FLASHINFER_SAMPLER")
