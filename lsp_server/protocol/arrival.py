"""When a message that has begun to arrive must be complete.

A message that stops in the middle holds a connection and memory for nothing, and one
that comes byte by byte holds them nearly as long. A large document over a slow line is
neither: whatever comes earns more time.

Source: Apache HTTP Server, ``mod_reqtimeout``, "MinRate".
"""

from dataclasses import dataclass

__all__ = ["ArrivalDeadline", "ArrivalLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalLimits:
    """How slowly a message may come.

    Attributes:
        stall_s: How long a message may take in any case, in seconds.
        bytes_per_s: Each so many bytes of it earn one second more.
    """

    stall_s: float = 10.0
    bytes_per_s: int = 32 * 1024


class ArrivalDeadline:
    """The deadline of the message that is arriving on a connection.

    Args:
        limits: How slowly it may come.
    """

    def __init__(self, limits: ArrivalLimits) -> None:
        """Expect a message; none has begun."""
        self._limits = limits
        self._begun_s: float | None = None
        self._at_s: float | None = None

    @property
    def at_s(self) -> float | None:
        """The loop time at which the message is too late; None between messages."""
        return self._at_s

    def update(self, *, now_s: float, begun_bytes: int, is_next: bool) -> None:
        """Take note of some bytes that came.

        Args:
            now_s: The loop time.
            begun_bytes: How much has come of the message that is not complete; 0
                where none has begun.
            is_next: Whether a message was completed by these bytes, so that what has
                begun is another one.
        """
        if not begun_bytes:
            self._begun_s = self._at_s = None
            return
        if self._begun_s is None or is_next:
            self._begun_s = now_s
        earned_s = begun_bytes / self._limits.bytes_per_s
        self._at_s = self._begun_s + self._limits.stall_s + earned_s
