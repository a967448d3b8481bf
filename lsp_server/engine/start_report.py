"""How an engine's start goes, told by the process in which it happens.

vLLM's front end hears nothing between the start of its engine core and its end, and of
a failure only "Engine core initialization failed. See root cause above": the cause is
in the child's log. So the child writes the stages that it reaches into one file of the
engine's folder, and the exceptions that vLLM logs into another.

This module does not know vLLM beyond the name of its logger.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine import engine_mark
from lsp_server.values import StartStage

__all__ = [
    "FOLDER_VARIABLE",
    "Cause",
    "reach",
    "reached",
    "read_causes",
    "report_failures",
]

#: Names the engine's folder in the environment that engine processes inherit.
FOLDER_VARIABLE = "MIDFILL_ENGINE_FOLDER"

_CAUSES = "causes.jsonl"
_STAGES = "stages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One exception that a child logged.

    Attributes:
        type_name: Its class with module, ``builtins.ValueError`` for example.
        message: What it says.
    """

    type_name: str
    message: str


class _ReportHandler(logging.Handler):
    """Appends the exceptions of log records to a file, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        super().__init__(level=logging.ERROR)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return
        kind = type(error)
        entry = {
            "type_name": f"{kind.__module__}.{kind.__qualname__}",
            "message": str(error),
        }
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError:
            self.handleError(record)


def report_failures() -> None:
    """Report exceptions of this engine process, if somebody wants to read them."""
    folder = _folder()
    logger = logging.getLogger("vllm")
    if folder is None:
        return
    if not any(isinstance(h, _ReportHandler) for h in logger.handlers):
        logger.addHandler(_ReportHandler(folder / _CAUSES))


def reach(stage: StartStage) -> None:
    """Note that this engine process has come to a stage of its start."""
    folder = _folder()
    if folder is None:
        return
    with (folder / _STAGES).open("a", encoding="utf-8") as file:
        file.write(f"{stage.value}\n")


def _folder() -> Path | None:
    """The engine's folder; None in a process that belongs to no engine of Midfill's."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or not engine_mark.is_engine_process():
        return None
    return Path(folder)


def read_causes(folder: Path) -> tuple[Cause, ...]:
    """Read what the children reported, the first failure first."""
    return tuple(Cause(**json.loads(line)) for line in _lines(folder / _CAUSES))


def reached(folder: Path) -> tuple[StartStage, ...]:
    """Read the stages that the children have come to until now, in their order."""
    return tuple(map(StartStage, _lines(folder / _STAGES)))


def _lines(path: Path) -> list[str]:
    """The whole lines of a file that another process may be writing."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return text.split("\n")[:-1]
