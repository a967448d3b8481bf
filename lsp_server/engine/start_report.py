"""Why an engine did not start, told by the process in which it failed.

vLLM's front end says only "Engine core initialization failed. See root cause above":
the cause is in the child's log. A handler on vLLM's logger, in the child, writes the
exceptions that are logged there into a file, and the front end reads that file.

This module does not know vLLM beyond the name of its logger.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from lsp_server.engine import orphan

__all__ = ["REPORT_VARIABLE", "Cause", "read_causes", "report_failures"]

#: Names the file in the environment that engine processes inherit.
REPORT_VARIABLE = "MIDFILL_ENGINE_REPORT"


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
    path = os.environ.get(REPORT_VARIABLE)
    logger = logging.getLogger("vllm")
    if not path or not orphan.is_engine_process():
        return
    if not any(isinstance(h, _ReportHandler) for h in logger.handlers):
        logger.addHandler(_ReportHandler(Path(path)))


def read_causes(path: Path) -> tuple[Cause, ...]:
    """Read what the children reported, the first failure first."""
    if not path.exists():
        return ()
    with path.open(encoding="utf-8") as lines:
        return tuple(Cause(**json.loads(line)) for line in lines)
