"""Signals for a loop around poll(2): a descriptor wakes it, and it asks which came."""

import os
import signal
from types import FrameType
from typing import Self

__all__ = ["Signals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """The signals that end the process, while the block lasts.

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
        """Take note of a signal."""
        self._name = self._name or signal.Signals(number).name
