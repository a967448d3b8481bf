"""Writes events to stderr, and measures the times of each request.

No event ever holds source text, a prompt or a completion: events are names, ids,
counts and durations.
"""

import logging
import time
from collections.abc import Callable
from typing import Self, TextIO

from lsp_server.config import LogLevel
from lsp_server.outcomes import RequestTimings, Source, Stage
from lsp_server.values import TokenDelta

__all__ = ["EventFormatter", "RequestTrace", "configure_logging"]

_MADE_BY_FORMATTING = frozenset({"message", "asctime"})
_NOISY_LOGGERS = ("pygls", "asyncio", "vllm", "transformers", "torch")


class EventFormatter(logging.Formatter):
    """Formats a record as ``time LEVEL event key=value ...``, one line an event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record as a line, with the fields of ``extra`` in their order."""
        stamp = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        # vLLM and Ray have every record of the process made with fields of their own.
        not_given = _MADE_BY_FORMATTING | vars(logging.makeLogRecord({})).keys()
        fields = [
            f"{key}={value!r}" if isinstance(value, str) else f"{key}={value}"
            for key, value in vars(record).items()
            if key not in not_given
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
    """Measures the times of one request, stage by stage, from its arrival on.

    Each stage lasts from the end of the one before.

    Args:
        arrived_s: When the request's message was read, by ``clock``; now by default.
        clock: Returns monotonic time in seconds.

    Attributes:
        source: Where the answer comes from.
    """

    def __init__(
        self,
        *,
        arrived_s: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """End the stage ``WAIT``."""
        self.source = Source.ENGINE
        self._clock = clock
        self._since = clock()
        self._arrived = self._since if arrived_s is None else arrived_s
        self._stages_ms = {Stage.WAIT: (self._since - self._arrived) * 1e3}
        self._ttft_ms: float | None = None
        self._prompt_tokens = 0
        self._cached_tokens = 0
        self._output_tokens = 0

    def end(self, stage: Stage) -> None:
        """End a stage; the next one begins."""
        now = self._clock()
        self._stages_ms[stage] = (now - self._since) * 1e3
        self._since = now

    def prompt_built(self, prompt_tokens: int) -> None:
        """End the stage ``PROMPT``, and record the prompt's length in tokens."""
        self.end(Stage.PROMPT)
        self._prompt_tokens += prompt_tokens

    def delta_came(self, delta: TokenDelta) -> None:
        """Record what the engine sent; the first of it ends the stage ``PREFILL``."""
        is_end = delta.finish_reason is not None
        if Stage.PREFILL not in self._stages_ms and (delta.token_ids or is_end):
            self.end(Stage.PREFILL)
            both_ms = self._stages_ms[Stage.PREFILL]
            queued_ms = min(delta.queued_ms or 0.0, both_ms)
            self._stages_ms[Stage.QUEUE] = queued_ms
            self._stages_ms[Stage.PREFILL] = both_ms - queued_ms
        if delta.token_ids and self._ttft_ms is None:
            self._ttft_ms = (self._since - self._arrived) * 1e3
        self._output_tokens += len(delta.token_ids)
        self._cached_tokens = max(self._cached_tokens, delta.num_cached_tokens)

    def generated(self) -> None:
        """End the stage ``DECODE``, if anything has come from the engine."""
        if Stage.PREFILL in self._stages_ms:
            self.end(Stage.DECODE)

    def without_tokens(self) -> Self:
        """Return a trace of the same request that has nothing from the engine."""
        return type(self)(arrived_s=self._arrived, clock=self._clock)

    def join(self, earlier: Self) -> None:
        """Add what an earlier request, joined by this one, took from the engine.

        Ends the stage ``DECODE``.
        """
        self.end(Stage.DECODE)
        self._prompt_tokens += earlier._prompt_tokens
        self._output_tokens += earlier._output_tokens
        self._cached_tokens = max(self._cached_tokens, earlier._cached_tokens)
        if earlier._ttft_ms is not None:
            first_s = earlier._arrived + earlier._ttft_ms / 1e3
            self._ttft_ms = max(0.0, (first_s - self._arrived) * 1e3)

    def timings(self) -> RequestTimings:
        """Return what the request has cost until now."""
        return RequestTimings(
            ttft_ms=self._ttft_ms,
            total_ms=(self._clock() - self._arrived) * 1e3,
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            output_tokens=self._output_tokens,
            stages_ms={s: self._stages_ms[s] for s in Stage if s in self._stages_ms},
            source=self.source,
        )
