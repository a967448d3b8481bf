"""Events on stderr as `telemetry` writes them, without a library."""

import os
import time

__all__ = ["EventLog"]

_STDERR = 2
_LEVELS = ("debug", "info", "warning", "error")


class EventLog:
    """Writes events to stderr, from a level on.

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
