"""The attached server's connection to a daemon or team server, renewed if it breaks."""

import time
from typing import Protocol

from lsp_server.client.wire import Wire
from lsp_server.errors import DaemonError

__all__ = ["Attempt", "DaemonLink", "Dialling"]

_WATCH_EVERY_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_STABLE_S = 10.0
_RESTART_GRACE_S = 15.0


class Attempt(Protocol):
    """Connects to a server that may be starting, if it listens by now."""

    def look(self) -> Wire | None:
        """Return a connection, if there is one by now; at once.

        Raises:
            DaemonError: There is no server, and there will be none.
        """
        ...

    def pause_s(self) -> float:
        """Return in how many seconds to look again."""
        ...


class Dialling(Protocol):
    """Finds the server; a new attempt for each time that it is lost."""

    def watch(self) -> Wire | None:
        """Connect to a daemon that listens; None where none does.

        Raises:
            DaemonError: What is there cannot be trusted.
        """
        ...

    def start(self) -> Attempt:
        """Return an attempt, which starts the daemon if there is none.

        Raises:
            DaemonError: There is no place for a daemon.
        """
        ...


class DaemonLink:
    """Finds the server, and looks for another one whenever it is lost.

    Args:
        dialling: Finds the server.
    """

    def __init__(self, dialling: Dialling) -> None:
        """Begin without a connection; `tick` makes one."""
        self._dialling = dialling
        self._attempt: Attempt | None = None
        self._starts_from_s = 0.0
        self._next_s = 0.0
        self._pause_s = 0.0
        self._wire: Wire | None = None
        self._connected_s = 0.0

    @property
    def wire(self) -> Wire | None:
        """The connection; None while there is none."""
        return self._wire

    @property
    def waiting_bytes(self) -> int:
        """How much waits to be sent."""
        return 0 if self._wire is None else self._wire.waiting_bytes

    def due_s(self) -> float:
        """Return in how many seconds `tick` is to be called."""
        if self._wire is None:
            return max(0.0, self._next_s - time.monotonic())
        return self._wire.due_s()

    def tick(self) -> bool:
        """Look for the server if it is time; return whether a connection was made.

        Raises:
            DaemonError: There is no server; the next try comes after a pause.
        """
        if self._wire is not None:
            self._wire.tick()
            return False
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        try:
            if now_s >= self._starts_from_s:
                self._attempt = self._attempt or self._dialling.start()
                self._wire = self._attempt.look()
                self._next_s = now_s + self._attempt.pause_s()
            else:
                self._next_s = now_s + _WATCH_EVERY_S
                self._wire = self._dialling.watch()
        except DaemonError:
            self._attempt = None
            self._pause()
            raise
        if self._wire is None:
            return False
        self._attempt = None
        self._starts_from_s = 0.0
        self._connected_s = time.monotonic()
        return True

    def send(self, *bodies: bytes) -> None:
        """Queue messages, if there is a connection."""
        if self._wire is not None:
            for body in bodies:
                self._wire.send(body)

    def flush(self) -> None:
        """Send what can be sent now.

        Raises:
            OSError: The server has gone.
        """
        if self._wire is not None:
            self._wire.flush()

    def half_close(self) -> None:
        """Send nothing more; what the server still sends can be read."""
        if self._wire is not None:
            self._wire.half_close()

    def lose(self, *, ending: str) -> None:
        """Close the connection, and look for another server.

        Args:
            ending: Why the daemon ended; empty if it did not say so.
        """
        now_s = time.monotonic()
        self.close()
        self._attempt = None
        if ending == "stop":
            # Who has stopped it does not want another one.
            self._starts_from_s = float("inf")
        elif ending == "restart":
            self._starts_from_s = now_s + _RESTART_GRACE_S
        self._next_s = now_s
        if now_s - self._connected_s < _STABLE_S:
            self._pause()
        else:
            self._pause_s = 0.0

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _pause(self) -> None:
        """Look again after a pause that grows from time to time."""
        longer_s = max(_FIRST_PAUSE_S, 2 * self._pause_s)
        self._pause_s = min(_LONGEST_PAUSE_S, longer_s)
        self._next_s = time.monotonic() + self._pause_s
