"""The image for CUDA, built from its lock; without a GPU one can only look at it."""

import json
import shutil

import pytest
from containers import CUDA_IMAGE, build_cuda, once, why_not

NEEDED_BYTES = 25 * 10**9
"""What the build takes beside the other images, its layers included."""


def why_not_here() -> str:
    """Return why the image is not built here; empty if it is."""
    return why_not() or (
        "it needs 25 GB of the disk"
        if shutil.disk_usage("/var").free < NEEDED_BYTES
        else ""
    )


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not_here()), reason=f"not built: {why_not_here()}"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module", autouse=True)
def image(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Build the image, from Debian's packages up."""
    build_cuda(tmp_path_factory.mktemp("cuda"))


def test_it_has_vllm_and_pytorch_for_cuda() -> None:
    """In versions that fit each other, as user 10001 on a read-only root."""
    program = (
        "import json, os, torch, importlib.metadata as m\n"
        "print(json.dumps([os.getuid(), torch.version.cuda, m.version('vllm')]))"
    )
    done = once("-c", program, entry="/opt/midfill/bin/python", image=CUDA_IMAGE)
    assert 0 == done.returncode, done.stderr
    user, cuda, vllm = json.loads(done.stdout)
    assert 10001 == user
    assert cuda is not None
    assert vllm


def test_without_a_gpu_doctor_says_what_is_missing() -> None:
    """In a sentence, and with a status that says so."""
    done = once("doctor", options=["--env", "MIDFILL_DEVICE=cuda"], image=CUDA_IMAGE)
    assert 1 == done.returncode, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "GPU" in done.stdout
