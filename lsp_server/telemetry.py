"""Writes events to stderr, and measures the times of each request.

No event ever holds source text, a prompt or a completion: events are names, ids,
counts and durations.
"""

import logging
import time
from collections.abc import Callable
from typing import TextIO

from lsp_server.config import LogLevel
from lsp_server.outcomes import RequestTimings
from lsp_server.values import TokenDelta

__all__ = ["EventFormatter", "RequestTrace", "configure_logging"]

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_FOREIGN_PREFIX = "vllm_"
"""vLLM adds fields of its own to every record of the process."""

_NOISY_LOGGERS = ("pygls", "asyncio", "vllm", "transformers", "torch")


class EventFormatter(logging.Formatter):
    """Formats a record as ``time LEVEL event key=value ...``, one line an event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record as a line, with the fields of ``extra`` in their order."""
        stamp = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        fields = [
            f"{key}={value!r}" if isinstance(value, str) else f"{key}={value}"
            for key, value in vars(record).items()
            if key not in _STANDARD_FIELDS and not key.startswith(_FOREIGN_PREFIX)
        ]
        head = f"{stamp}.{int(record.msecs):03d} {record.levelname}"
        line = " ".join([head, record.getMessage(), *fields])
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure_logging(level: LogLevel, stream: TextIO) -> None:
    """Send Midfill's events of at least ``level`` to ``stream``, and silence libraries.

    pygls logs whole message bodies at INFO, that is the user's code, so libraries
    log from WARNING on only, whatever the level.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EventFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("lsp_server").setLevel(level.value.upper())
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


class RequestTrace:
    """Measures the times of one request, from its arrival on.

    Args:
        clock: Returns monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Start the clock."""
        self._clock = clock
        self._arrived = clock()
        self._first: float | None = None
        self._prompt_tokens = 0
        self._cached_tokens = 0
        self._output_tokens = 0

    def prompt_built(self, prompt_tokens: int) -> None:
        """Record the prompt's length in tokens."""
        self._prompt_tokens = prompt_tokens

    def delta_came(self, delta: TokenDelta) -> None:
        """Record what the engine sent."""
        if delta.token_ids and self._first is None:
            self._first = self._clock()
        self._output_tokens += len(delta.token_ids)
        self._cached_tokens = max(self._cached_tokens, delta.num_cached_tokens)

    def timings(self) -> RequestTimings:
        """Return what the request has cost until now."""
        first = self._first
        return RequestTimings(
            ttft_ms=None if first is None else (first - self._arrived) * 1e3,
            total_ms=(self._clock() - self._arrived) * 1e3,
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            output_tokens=self._output_tokens,
        )
