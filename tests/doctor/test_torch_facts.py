"""PyTorch is asked in a process of its own, whatever becomes of that."""

import json
import sys
from importlib import metadata

import pytest

from lsp_server.config import Device
from lsp_server.doctor.torch_facts import Gpu, TorchFacts, ask_torch, read_facts
from lsp_server.doctor.vllm_build import build_device, installed_vllm

ANSWER = {
    "version": "2.13.0+cu130",
    "cuda": "13.0",
    "gpus": [{"name": "H100", "capability": [9, 0], "free_bytes": 7, "total_bytes": 8}],
    "operators": ["machete_mm"],
    "library_error": "",
}
FACTS = TorchFacts(
    version="2.13.0+cu130",
    cuda="13.0",
    gpus=(Gpu(name="H100", capability=(9, 0), free_bytes=7, total_bytes=8),),
    operators=frozenset({"machete_mm"}),
)


def program(text: str) -> list[str]:
    """Give a Python program in place of the probe."""
    return [sys.executable, "-c", text]


@pytest.mark.parametrize("before", ["", "a library speaks first\n"])
def test_answer_is_the_last_line(before: str) -> None:
    """What libraries print before it is passed over."""
    assert FACTS == read_facts(0, f"{before}{json.dumps(ANSWER)}\n", "a warning")


@pytest.mark.parametrize(
    ("status", "output", "errors", "told"),
    [
        (1, "", "Traceback\n  lines\nOSError: libgomp.so.1\n", "OSError: libgomp.so.1"),
        (-11, "", "", "exit status -11"),
        (0, "", "", "cannot be read"),
        (0, "{}", "", "cannot be read"),
        (0, "[1]", "", "cannot be read"),
        (0, "no JSON", "", "cannot be read"),
        (0, json.dumps(ANSWER | {"gpus": [{"name": 1}]}), "", "cannot be read"),
    ],
)
def test_bad_answers_become_an_error(
    status: int, output: str, errors: str, told: str
) -> None:
    """A crash, a silent end and nonsense are facts too."""
    facts = read_facts(status, output, errors)
    assert told in facts.error
    assert "" == facts.version


def test_real_pytorch_answers() -> None:
    """The probe tells the installed version, and has loaded vLLM's own operators."""
    facts = ask_torch(build_device(installed_vllm()))
    assert "" == facts.error
    assert "" == facts.library_error
    assert metadata.version("torch") == facts.version
    assert facts.operators


def test_probe_that_crashes_ends_nothing_else() -> None:
    """A PyTorch that takes its process down is told by its exit status."""
    facts = ask_torch(Device.CPU, probe=program("import os; os.abort()"))
    assert "exit status -6" == facts.error


def test_probe_that_hangs_is_ended() -> None:
    """Doctor goes on after the timeout."""
    facts = ask_torch(
        Device.CPU, probe=program("import signal; signal.pause()"), timeout_s=0.2
    )
    assert "did not answer" in facts.error


def test_probe_learns_the_device() -> None:
    """What asks gets the device as its argument."""
    text = f"import sys; print({json.dumps(ANSWER)!r}.replace('H100', sys.argv[1]))"
    assert "cuda" == ask_torch(Device.CUDA, probe=program(text)).gpus[0].name
