"""The whole of doctor on this machine, with nothing faked."""

import json
import os
import subprocess
import sys

import pytest

from lsp_server.config import Device
from lsp_server.doctor.torch_facts import ask_torch


@pytest.mark.engine
def test_this_machine_can_complete() -> None:
    """Every check passes, vLLM completes a line, and stderr stays empty."""
    done = subprocess.run(
        [sys.executable, "-m", "lsp_server", "doctor", "--json"],
        env={k: v for k, v in os.environ.items() if not k.startswith("MIDFILL_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "" == done.stderr
    report = json.loads(done.stdout)
    assert report["can_complete"]
    last = report["findings"][-1]
    assert ("generation", "ok") == (last["name"], last["level"])
    assert "completed a line with" in last["what"]


@pytest.mark.gpu
def test_gpu_is_seen() -> None:
    """PyTorch tells the GPU, and vLLM's library brings Marlin."""
    facts = ask_torch(Device.CUDA)
    assert ("", "") == (facts.error, facts.library_error)
    assert facts.gpus[0].total_bytes >= facts.gpus[0].free_bytes > 0
    assert "gptq_marlin_repack" in facts.operators
