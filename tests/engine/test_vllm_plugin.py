"""What Midfill adds to vLLM's processes: reports, a readable log, kernel names."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lsp_server.engine import engine_folder, vllm_plugin
from lsp_server.engine.vllm_errors import StartFailure
from lsp_server.engine.vllm_plugin import (
    WorkerExtension,
    drop_known_warnings,
    read_failures,
    read_stages,
    report_failures,
    report_stage,
)
from lsp_server.engine_values import StartStage


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
    monkeypatch.setenv(engine_folder.OWNER_VARIABLE, "1")
    monkeypatch.setenv(vllm_plugin.FOLDER_VARIABLE, str(tmp_path))
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
        StartFailure(type_name="builtins.ValueError", message="no\nmemory"),
        StartFailure(type_name="builtins.FileNotFoundError", message="weights"),
    ) == read_failures(report)


def test_nothing_was_reported(tmp_path: Path) -> None:
    """No file means no cause."""
    assert () == read_failures(tmp_path / "missing")


def test_the_server_reports_nothing(
    vllm_logger: logging.Logger, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an owner, or without a file to write, no handler is added."""
    before = list(vllm_logger.handlers)
    monkeypatch.delenv(vllm_plugin.FOLDER_VARIABLE)
    report_failures()
    monkeypatch.setenv(vllm_plugin.FOLDER_VARIABLE, str(report))
    monkeypatch.delenv(engine_folder.OWNER_VARIABLE)
    report_failures()
    assert before == vllm_logger.handlers


def test_a_report_that_cannot_be_written_is_no_second_failure(
    vllm_logger: logging.Logger,
    report: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A folder that is gone costs the report and nothing else."""
    monkeypatch.setenv(vllm_plugin.FOLDER_VARIABLE, str(report / "gone" / "x"))
    report_failures()
    log_failure(vllm_logger, ValueError("no memory"))
    assert "FileNotFoundError" in capsys.readouterr().err


def test_stages_come_through_in_their_order(report: Path) -> None:
    """The server reads whole stages only, and none before there is one."""
    assert () == read_stages(report)
    report_stage(StartStage.WEIGHTS)
    report_stage(StartStage.WARM_UP)
    with (report / "stages").open("a") as file:
        file.write("pro")
    assert (StartStage.WEIGHTS, StartStage.WARM_UP) == read_stages(report)


def test_the_server_reaches_no_stage(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an engine's process writes into the folder."""
    monkeypatch.setenv(engine_folder.OWNER_VARIABLE, f"{os.getpid()}-0123")
    report_stage(StartStage.WEIGHTS)
    assert () == read_stages(report)


LOGGER = "vllm.config.vllm"


@pytest.mark.parametrize(
    ("level", "message", "passed_on"),
    [
        (logging.WARNING, "Enforce eager set, disabling torch.compile", False),
        (logging.INFO, "Model Runner V2 requires Triton; using the V1", False),
        (logging.WARNING, "Something new about Triton", True),
        (logging.WARNING, "It said: Enforce eager set", True),
        (logging.ERROR, "Enforce eager set, and that is fatal", True),
    ],
)
def test_only_known_warnings_are_dropped(
    caplog: pytest.LogCaptureFixture,
    level: int,
    message: str,
    passed_on: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """A message is known by its beginning, and an error is always passed on."""
    drop_known_warnings()
    with caplog.at_level(logging.DEBUG, LOGGER):
        logging.getLogger(LOGGER).log(level, message)
    assert passed_on == (message in caplog.messages)


def test_other_loggers_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The same words from elsewhere are somebody else's."""
    drop_known_warnings()
    logging.getLogger("somebody").warning("Enforce eager set")
    assert ["Enforce eager set"] == caplog.messages


def test_a_second_call_adds_nothing() -> None:
    """The plugin runs more than once in a process; one filter is enough."""
    drop_known_warnings()
    filters = list(logging.getLogger(LOGGER).filters)
    drop_known_warnings()
    assert filters == logging.getLogger(LOGGER).filters


class OneKernel:
    """Stands for a kernel of vLLM's; only its name counts."""


class Worker(WorkerExtension):
    """A worker, as far as the probe can see."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model

    def get_model(self) -> torch.nn.Module:
        """Return the model, as vLLM's worker does."""
        return self._model


def model(*attributes: dict[str, bool]) -> torch.nn.Module:
    """A model with a quantised layer for each, and one that is not quantised."""
    layers = [torch.nn.Linear(2, 2)]
    for each in attributes:
        layer = torch.nn.Linear(2, 2)
        vars(layer).update(each, quant_method=SimpleNamespace(kernel=OneKernel()))
        layers.append(layer)
    return torch.nn.Sequential(*layers)


def test_names_each_kernel_once() -> None:
    """Layers that are not quantised have none; equal ones count once."""
    assert [] == Worker(model()).midfill_linear_kernels()
    assert ["OneKernel"] == Worker(model({}, {})).midfill_linear_kernels()


def test_tells_how_wide_activations_are() -> None:
    """Where the kernel has a choice, what it chose stands behind its name."""
    narrow, wide = {"use_w4a8": True}, {"use_w4a8": False}
    assert ["OneKernel (W4A8)"] == Worker(model(narrow)).midfill_linear_kernels()
    assert ["OneKernel (W4A16)", "OneKernel (W4A8)"] == Worker(
        model(narrow, wide)
    ).midfill_linear_kernels()
