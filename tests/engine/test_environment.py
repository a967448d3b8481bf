"""The environment is set before vLLM is imported."""

import importlib.util
import os

import psutil
import pytest

from lsp_server.config import Device
from lsp_server.engine import environment


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
    environment.prepare_environment(Device.CPU)
    assert threads == os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize(("cores", "expected"), [(2, "false"), (4, "true")])
@pytest.mark.parametrize("device", [Device.CPU, Device.CUDA])
def test_prompts_are_encoded_side_by_side_where_there_are_cores(
    monkeypatch: pytest.MonkeyPatch, device: Device, cores: int, expected: str
) -> None:
    """Two cores gain nothing; the user's own choice stands."""
    os.environ.pop("TOKENIZERS_PARALLELISM", None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    environment.prepare_environment(device)
    assert expected == os.environ["TOKENIZERS_PARALLELISM"]
    os.environ["TOKENIZERS_PARALLELISM"] = "chosen"
    environment.prepare_environment(device)
    assert "chosen" == os.environ["TOKENIZERS_PARALLELISM"]


def test_cuda_keeps_the_threads_of_the_user() -> None:
    """On CUDA, OpenMP is left as it is."""
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        os.environ.pop(name, None)
    environment.prepare_environment(Device.CUDA)
    assert not {"OMP_NUM_THREADS", "OMP_WAIT_POLICY"} & os.environ.keys()


def test_threads_that_wait_do_not_spin() -> None:
    """Beside a busy editor, a waiting thread gives its core away."""
    os.environ.pop("OMP_WAIT_POLICY", None)
    environment.prepare_environment(Device.CPU)
    assert "passive" == os.environ["OMP_WAIT_POLICY"]


@pytest.mark.parametrize("chosen", [None, "/mine"])
def test_compiled_code_is_kept_out_of_the_temporary_folder(chosen: str | None) -> None:
    """All users share that one; Midfill's cache folder is the user's own."""
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)
    os.environ["XDG_CACHE_HOME"] = "/home/somebody/cache"
    if chosen:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = chosen
    environment.prepare_environment(Device.CPU)
    expected = chosen or "/home/somebody/cache/midfill/torchinductor"
    assert expected == os.environ["TORCHINDUCTOR_CACHE_DIR"]
