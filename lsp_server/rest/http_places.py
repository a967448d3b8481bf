"""How many HTTP connections a server has, and which one of too many ends."""

import asyncio
from typing import Protocol

__all__ = ["HttpConnection", "HttpPlaces"]


class HttpConnection(Protocol):
    """A connection of HTTP."""

    transport: asyncio.Transport

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        ...


class HttpPlaces:
    """The connections of a server; websockets are none of them.

    Args:
        most: How many there may be.
    """

    def __init__(self, most: int) -> None:
        """Begin without any."""
        self._most = most
        # The one first that has been idle for longest, if it is idle at all.
        self._here: dict[HttpConnection, None] = {}

    def enter(self, newcomer: HttpConnection) -> bool:
        """Count a connection, and return whether there is room to serve it.

        Of too many, the one that was idle for longest is closed.
        """
        self._here[newcomer] = None
        if len(self._here) <= self._most:
            return True
        idle = next(each for each in self._here if each.is_idle)
        if idle is newcomer:
            return False
        self.leave(idle)
        idle.transport.abort()
        return True

    def rest(self, connection: HttpConnection) -> None:
        """Note that a connection has become idle."""
        if connection in self._here:
            del self._here[connection]
            self._here[connection] = None

    def leave(self, connection: HttpConnection) -> None:
        """Note that a connection has ended."""
        self._here.pop(connection, None)
