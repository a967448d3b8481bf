"""Who gets a connection of a team server, and who gives way where there is no room.

Editors have places, which the keys share fairly. Clients that have not said yet who
they are have a waiting room of their own: silent ones cost no editor its place.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from lsp_server.errors import OverloadedError

__all__ = ["Occupant", "Places", "WaitingRoom"]

_RETRY_S = 30.0


class Occupant(Protocol):
    """A connection that has a place."""

    @property
    def is_introduced(self) -> bool:
        """Whether the editor has sent ``initialize``."""
        ...

    @property
    def heard_s(self) -> float:
        """When the editor was last heard of, on the loop's clock."""
        ...

    def dismiss(self, message: str) -> None:
        """Show the user a message, and end the connection."""
        ...


class Places:
    """The places for editors, shared fairly between their owners.

    Where all are taken, an owner that would still have fewer than another gets one of
    the other's: that of an editor which never introduced itself, else of the one that
    was silent for longest. Nobody loses a place to an owner that has as many.

    Args:
        most: How many there are.
    """

    def __init__(self, most: int) -> None:
        """Begin with every place free."""
        self._most = most
        self._owners: dict[Occupant, str] = {}

    @contextmanager
    def take(self, owner: str, occupant: Occupant) -> Iterator[None]:
        """Have a place while the block runs, or until the occupant is dismissed.

        Args:
            owner: Whose it is: a key's id, or an address where there are no keys.
            occupant: Who gets it.

        Raises:
            OverloadedError: All are taken, and no owner has too many.
        """
        if len(self._owners) >= self._most:
            self._make_room(owner)
        self._owners[occupant] = owner
        try:
            yield
        finally:
            self._owners.pop(occupant, None)

    def _make_room(self, newcomer: str) -> None:
        """Dismiss one of the occupants whose owner has the most.

        Raises:
            OverloadedError: None of them has more than the newcomer's would.
        """
        held = Counter(self._owners.values())
        greedy, most = held.most_common(1)[0]
        if most <= held[newcomer] + 1:
            raise OverloadedError(
                f"all {self._most} places for editors are taken, "
                f"{held[newcomer]} of them by you",
                subject="the connection",
                remedy="Close editors that you do not use, try again later, or have "
                "listen.max_editors raised",
                retry_after_s=_RETRY_S,
            )
        leaving = min(
            (each for each, owner in self._owners.items() if owner == greedy),
            key=lambda each: (each.is_introduced, each.heard_s),
        )
        del self._owners[leaving]
        leaving.dismiss(
            f"Midfill: the server's {self._most} places for editors are taken, and "
            f"{most} of them were yours. This editor was silent for longest, and has "
            "lost its place to somebody with fewer. Close editors that you do not use."
        )


class WaitingRoom:
    """Clients that have to say who they are: each for a while, and only so many.

    Args:
        most: How many there may be; beyond it, the oldest gives way.
        limit_s: How long each may take, in seconds.
    """

    def __init__(self, most: int, *, limit_s: float) -> None:
        """Begin empty."""
        self._most = most
        self._limit_s = limit_s
        self._waiting: dict[asyncio.Timeout, None] = {}

    @asynccontextmanager
    async def stay(self) -> AsyncGenerator[None]:
        """Let a client stay while the block runs.

        Raises:
            TimeoutError: It took too long, or gave way to a newer one.
        """
        async with asyncio.timeout(self._limit_s) as timeout:
            if len(self._waiting) >= self._most:
                oldest = next(iter(self._waiting))
                del self._waiting[oldest]
                oldest.reschedule(0.0)
            self._waiting[timeout] = None
            try:
                yield
            finally:
                self._waiting.pop(timeout, None)
