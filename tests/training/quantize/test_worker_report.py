"""A worker's reports reach its parent, and its faults are distinguished."""

import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from training.quantize.worker_report import (
    MissingDeviceError,
    Reporter,
    fault_kind,
    run_job,
)


def events(
    tmp_path: Path, main: Callable[[Mapping[str, Any], Reporter], None]
) -> tuple[int, list[object]]:
    """Run a job, and give its status and its reports."""
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"answer": 42}))
    reading, writing = os.pipe()
    try:
        status = run_job(main, [str(job), str(writing)])
    finally:
        os.close(writing)
    with os.fdopen(reading) as reports:
        return status, [json.loads(line) for line in reports]


def test_reports_in_order(tmp_path: Path) -> None:
    """The job is read, and each report is a line."""

    def main(job: Mapping[str, Any], reporter: Reporter) -> None:
        reporter.say(f"the answer is {job['answer']}")
        reporter.step("layers", 1, 2)

    expected = [
        {"say": "the answer is 42"},
        {"work": "layers", "done": 1, "total": 2},
    ]
    assert (0, expected) == events(tmp_path, main)


def test_a_full_disk_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kind comes through the pipe, the traceback goes where prints go."""

    def main(_job: Mapping[str, Any], _reporter: Reporter) -> None:
        Path("/dev/full").write_text("x")

    status, reports = events(tmp_path, main)
    assert 1 == status
    (report,) = reports
    assert isinstance(report, dict)
    assert "disk" == report["fault"]
    assert "Traceback" in capsys.readouterr().err


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's is."""


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (OSError(errno.EDQUOT, "quota"), "disk"),
        (Exception("I/O error: No space left on device (os error 28)"), "disk"),
        (OSError(errno.EACCES, "no"), "other"),
        (MemoryError(), "memory"),
        (OutOfMemoryError("CUDA out of memory"), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "memory"),
        (MissingDeviceError("no CUDA"), "device"),
        (ValueError("x"), "other"),
    ],
)
def test_faults_have_kinds(exc: Exception, kind: str) -> None:
    """Python's, PyTorch's and safetensors' errors are distinguished."""
    assert kind == fault_kind(exc)
