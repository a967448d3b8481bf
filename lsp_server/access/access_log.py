"""The access log: one JSON line for each request, and never text of a user's.

Lines are written by a thread, so that a slow disk holds no request up. A line that
cannot be written is lost, which is reported once until writing works again.
"""

import errno
import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from lsp_server.access.keys import Route

__all__ = ["AccessLog", "AccessRecord"]

_MOST_WAITING = 10_000
_PRIVATE = 0o600

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRecord:
    """One request, as the access log writes it.

    Attributes:
        request_id: The id that Midfill gave the request.
        key_id: Whose request it was; ``Key.key_id``.
        route: What was asked for.
        status: The HTTP status, or for an editor the one that HTTP would have.
        prompt_tokens: Tokens of the prompt.
        cached_tokens: Of them, those that the engine's prefix cache held.
        output_tokens: Tokens of the answer.
        stages_ms: The times of the request's stages in milliseconds, by their names.
        client_id: The id that the client gave the request; empty where it gave none.
    """

    request_id: str
    key_id: str
    route: Route
    status: int
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    client_id: str = ""


class _Sink(Protocol):
    """Where lines go."""

    def write(self, line: bytes) -> None:
        """Write one line whole; raises ``OSError`` where it cannot be."""

    def close(self) -> None:
        """Free what it holds."""


class AccessLog:
    """Writes records to a file or to stderr; `close` ends its thread.

    A file that is renamed or removed, as logrotate does, is made anew with the next
    line: no signal is needed.

    Args:
        target: A file, ``stderr``, or empty for no log.
        now: Returns the time of the wall clock.
        most_waiting: Lines that may wait for a slow disk; further ones are lost.
    """

    def __init__(
        self,
        target: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        self._now = now
        self._counting = threading.Lock()
        self._lost = 0
        self._waiting: queue.Queue[bytes | None] = queue.Queue(most_waiting)
        self._thread: threading.Thread | None = None
        if target:
            sink = _Stderr() if target == "stderr" else _File(Path(target))
            self._thread = threading.Thread(
                target=self._write_all, args=(sink,), name="access-log", daemon=True
            )
            self._thread.start()

    def write(self, record: AccessRecord) -> None:
        """Have a record written; neither waits nor raises."""
        if self._thread is None:
            return
        try:
            self._waiting.put_nowait(self._line(record))
        except queue.Full:
            self._count_lost("too many lines wait for the disk")

    def close(self, *, timeout_s: float = 2.0) -> None:
        """Write what waits, for at most ``timeout_s`` seconds, and end."""
        if self._thread is None:
            return
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _line(self, record: AccessRecord) -> bytes:
        """Return a record as a line of JSON."""
        given = {"client_id": record.client_id} if record.client_id else {}
        fields = {
            "time": self._now().isoformat(timespec="milliseconds"),
            "request_id": record.request_id,
            **given,
            "key_id": record.key_id,
            "route": record.route.value,
            "status": record.status,
            "prompt_tokens": record.prompt_tokens,
            "cached_tokens": record.cached_tokens,
            "output_tokens": record.output_tokens,
            "stages_ms": {name: round(ms, 3) for name, ms in record.stages_ms.items()},
        }
        return json.dumps(fields).encode() + b"\n"

    def _write_all(self, sink: _Sink) -> None:
        """Write lines as they come, until `close`; runs in the thread."""
        while (line := self._waiting.get()) is not None:
            try:
                sink.write(line)
            # A closed stream raises ValueError.
            except (OSError, ValueError) as error:
                self._count_lost(os.strerror(getattr(error, "errno", 0) or errno.EIO))
            else:
                self._report_recovery()
            finally:
                self._waiting.task_done()
        sink.close()

    def _count_lost(self, what: str) -> None:
        """Count a lost line, and report the first of a row."""
        with self._counting:
            self._lost += 1
            is_first = self._lost == 1
        if is_first:
            _log.error("access.log_failed", extra={"what": what})

    def _report_recovery(self) -> None:
        """Report how many lines were lost, once lines are written and few wait."""
        if not self._lost or self._waiting.qsize() > self._waiting.maxsize // 2:
            return
        with self._counting:
            lost, self._lost = self._lost, 0
        _log.warning("access.log_resumed", extra={"lost_lines": lost})


class _Stderr:
    """Writes to the process's stderr."""

    def write(self, line: bytes) -> None:
        """Write one line."""
        sys.stderr.write(line.decode())
        sys.stderr.flush()

    def close(self) -> None:
        """Leave stderr open."""


class _File:
    """Appends to a file, and opens it anew when it is not at its path any more.

    Nothing is buffered: a line is on its way to the disk whole, or lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._is_at_line_start = True

    def write(self, line: bytes) -> None:
        """Append one line; a part of one that an error left is ended first.

        Raises:
            OSError: The file cannot be opened, or not all of the line be written.
        """
        fd = self._current()
        rest = line if self._is_at_line_start else b"\n" + line
        while rest:
            written = os.write(fd, rest)
            self._is_at_line_start = written == len(rest)
            rest = rest[written:]

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _current(self) -> int:
        """Return the descriptor of the file that is at the path now."""
        if self._fd is not None:
            held = os.fstat(self._fd)
            try:
                there = self._path.stat()
            except FileNotFoundError:
                there = None
            if there and (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
                return self._fd
            self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, _PRIVATE)
        self._is_at_line_start = True
        return self._fd
