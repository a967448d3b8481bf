"""The attached server as a process, without a library: signals, the editor, the log.

Source: proc(5), ``/proc/PID/stat``.
"""

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Self

__all__ = ["EditorProcess", "EventLog", "Signals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STATE, _START_TIME = 0, 19
"""Fields after the program's name, which ends with the last parenthesis."""

_ENDED = ("Z", "X", "x")
_STDERR = 2
_LEVELS = ("debug", "info", "warning", "error")


class Signals:
    """The signals that end the process, while the block lasts; made for poll(2).

    Attributes:
        fd: A descriptor that can be read once a signal has come.
    """

    def __init__(self) -> None:
        """Make the descriptor; the block begins to take signals."""
        self._name = ""
        self.fd, self._writer_fd = os.pipe()
        for fd in (self.fd, self._writer_fd):
            os.set_blocking(fd, False)

    def __enter__(self) -> Self:
        self._woken_fd = signal.set_wakeup_fd(
            self._writer_fd, warn_on_full_buffer=False
        )
        self._before = {each: signal.signal(each, self._take) for each in _SIGNALS}
        return self

    def __exit__(self, *_error: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)
        signal.set_wakeup_fd(self._woken_fd)
        os.close(self.fd)
        os.close(self._writer_fd)

    def taken(self) -> str:
        """Return the name of the first signal that has come; empty for none."""
        if self._name:
            try:
                os.read(self.fd, 64)
            except BlockingIOError:
                return self._name
        return self._name

    def _take(self, number: int, _frame: FrameType | None) -> None:
        """Remember the name of the first signal that comes."""
        self._name = self._name or signal.Signals(number).name


class EditorProcess:
    """Tells whether the editor's process has ended.

    Its id alone is not enough, as it may be given to another process; together with the
    start time it names one process for good.

    Args:
        process_id: Its id.
    """

    def __init__(self, process_id: int) -> None:
        """Remember when it began."""
        self._process_id = process_id
        self._began = self._start_time()

    def has_ended(self) -> bool:
        """Return whether it has ended; one that its parent has not collected has."""
        return self._began is None or self._start_time() != self._began

    def _start_time(self) -> str | None:
        """Return when the process began, in any unit; None if there is none."""
        try:
            stat = Path(f"/proc/{self._process_id}/stat").read_text("ascii", "replace")
        except OSError:
            return self._without_proc()
        fields = stat.rpartition(")")[2].split()
        return None if fields[_STATE] in _ENDED else fields[_START_TIME]

    def _without_proc(self) -> str | None:
        """Return a constant as long as there is a process of this id."""
        if Path("/proc/self/stat").exists() or self._process_id <= 0:
            return None
        try:
            os.kill(self._process_id, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return ""
        return ""


class EventLog:
    """Writes events to stderr as `telemetry` does, from a level on.

    Args:
        level: The least severe events that are written; another word counts as info.
    """

    def __init__(self, level: object = "info") -> None:
        """Note the level."""
        self._from = _LEVELS.index(level) if level in _LEVELS else 1

    def write(self, event: str, *, level: str = "info", **fields: object) -> None:
        """Write an event; a stderr that takes nothing does not matter.

        Args:
            event: Its name.
            level: How severe it is.
            fields: What belongs to it; never anything of a message.
        """
        if _LEVELS.index(level) < self._from:
            return
        now_s = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now_s))
        head = f"{stamp}.{int(now_s % 1 * 1e3):03d} {level.upper()} {event}"
        line = " ".join([head, *(f"{key}={value!r}" for key, value in fields.items())])
        try:
            os.write(_STDERR, line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            return
