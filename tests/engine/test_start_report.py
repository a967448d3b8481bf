"""What a child logs reaches the process that reads the report."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsp_server.engine import engine_mark, start_report
from lsp_server.engine.start_report import (
    Cause,
    reach,
    reached,
    read_causes,
    report_failures,
)
from lsp_server.values import StartStage


@pytest.fixture
def vllm_logger() -> Iterator[logging.Logger]:
    """vLLM's logger; its handlers are as before afterwards."""
    logger = logging.getLogger("vllm")
    before = list(logger.handlers)
    yield logger
    logger.handlers[:] = before


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The engine's folder, into which this process reports as an engine's child."""
    monkeypatch.setenv(engine_mark.OWNER_VARIABLE, "1")
    monkeypatch.setenv(start_report.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def log_failure(logger: logging.Logger, error: Exception) -> None:
    """Log an exception as vLLM does when it gives up."""
    try:
        raise error
    except type(error):
        logger.exception("failed to start")


def test_exceptions_are_reported_in_order(
    vllm_logger: logging.Logger, report: Path
) -> None:
    """Class and message come through, the first failure first, and only once."""
    report_failures()
    report_failures()
    child = vllm_logger.getChild("v1.worker")
    child.warning("nothing of interest")
    child.error("nothing raised")
    log_failure(child, ValueError("no\nmemory"))
    log_failure(child, FileNotFoundError("weights"))
    assert (
        Cause(type_name="builtins.ValueError", message="no\nmemory"),
        Cause(type_name="builtins.FileNotFoundError", message="weights"),
    ) == read_causes(report)


def test_nothing_was_reported(tmp_path: Path) -> None:
    """No file means no cause."""
    assert () == read_causes(tmp_path / "missing")


def test_the_server_reports_nothing(
    vllm_logger: logging.Logger, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an owner, or without a file to write, no handler is added."""
    before = list(vllm_logger.handlers)
    monkeypatch.delenv(start_report.FOLDER_VARIABLE)
    report_failures()
    monkeypatch.setenv(start_report.FOLDER_VARIABLE, str(report))
    monkeypatch.delenv(engine_mark.OWNER_VARIABLE)
    report_failures()
    assert before == vllm_logger.handlers


def test_a_report_that_cannot_be_written_is_no_second_failure(
    vllm_logger: logging.Logger,
    report: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A folder that is gone costs the report and nothing else."""
    monkeypatch.setenv(start_report.FOLDER_VARIABLE, str(report / "gone" / "x"))
    report_failures()
    log_failure(vllm_logger, ValueError("no memory"))
    assert "FileNotFoundError" in capsys.readouterr().err


def test_stages_come_through_in_their_order(report: Path) -> None:
    """The server reads whole stages only, and none before there is one."""
    assert () == reached(report)
    reach(StartStage.WEIGHTS)
    reach(StartStage.WARM_UP)
    with (report / "stages").open("a") as file:
        file.write("pro")
    assert (StartStage.WEIGHTS, StartStage.WARM_UP) == reached(report)


def test_the_server_reaches_no_stage(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an engine's process writes into the folder."""
    monkeypatch.setenv(engine_mark.OWNER_VARIABLE, f"{os.getpid()}-0123")
    reach(StartStage.WEIGHTS)
    assert () == reached(report)
