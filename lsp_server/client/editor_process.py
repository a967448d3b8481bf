"""Notices that the editor's process has ended, without a library.

Its id alone is not enough, as it may be given to another process; together with the
start time it names one process for good.

Source: proc(5), ``/proc/PID/stat``.
"""

import os
from pathlib import Path

__all__ = ["EditorProcess"]

_STATE, _START_TIME = 0, 19
"""Fields after the program's name, which ends with the last parenthesis."""

_ENDED = ("Z", "X", "x")


class EditorProcess:
    """A process that is looked at now and then.

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
