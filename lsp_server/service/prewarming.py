"""Has an idle engine read the prompt for a place before the first key there.

A prompt of another place has little in common with the one before, so its first key
would wait until all of it is read. The cursor may be known to be there earlier: an
editor says where it rests (``midfill/cursor``), or a request came for which nothing was
generated, because no suggestion may come up there or an old one is offered again. The
first key then finds the prompt in the engine's prefix cache.

No part of `speculation`, which generates a completion that nobody has asked for: what
is read here is thrown away but for the KV cache.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeAlias

from lsp_server.errors import EngineError
from lsp_server.values import Snapshot

__all__ = ["Prepare", "Prewarmer", "nothing_to_prepare"]

_log = logging.getLogger(__name__)

_CHARS_RIGHT = 2_000
"""About what a prompt holds of the text right of the cursor."""

_NOWHERE = ("", "")

Prepare: TypeAlias = Callable[[Snapshot], Awaitable[None]]
"""Has the context of a cursor ready, as far as there will be any."""


async def nothing_to_prepare(_cursor: Snapshot) -> None:
    """Return at once."""


class Prewarmer:
    """Reads ahead for one connection, at one place at a time.

    A place is a document and the text right of the cursor: typing and Enter leave both
    as they are, and with them nearly all of the prompt.

    Args:
        read: Has the engine read the prompt for a cursor, under a request id.
        is_idle: Returns whether the engine has nothing to do.
        prepare: Called before that.
    """

    def __init__(
        self,
        read: Callable[[Snapshot, str], Coroutine[None, None, None]],
        is_idle: Callable[[], bool],
        prepare: Prepare = nothing_to_prepare,
    ) -> None:
        self._read = read
        self._is_idle = is_idle
        self._prepare = prepare
        self._place = _NOWHERE
        self._task: asyncio.Task[None] | None = None

    def was_read(self, snapshot: Snapshot) -> None:
        """Note that a request had the engine read the prompt for a cursor."""
        self._place = _place_of(snapshot)

    def begin(self, snapshot: Snapshot, request_id: str) -> None:
        """Read ahead for a cursor, unless the engine is busy or was there just now.

        What is read for another place is given up first.
        """
        place = _place_of(snapshot)
        if place == self._place:
            return
        before = self._task
        self.cancel()
        self._place = place
        self._task = asyncio.create_task(self._read_ahead(snapshot, request_id, before))

    def cancel(self) -> None:
        """End the reading, because of a request; what was read stays read."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _read_ahead(
        self, snapshot: Snapshot, request_id: str, before: asyncio.Task[None] | None
    ) -> None:
        """Read ahead; an engine that fails fails for whoever asks it next."""
        if before is not None:
            await asyncio.wait({before})
        await self._prepare(snapshot)
        if not self._is_idle():
            self._place = _NOWHERE
            return
        read_id = f"{request_id}.read"
        try:
            await self._read(snapshot, read_id)
        except EngineError:
            self._place = _NOWHERE
        else:
            _log.debug("prompt.read_ahead", extra={"request_id": read_id})


def _place_of(snapshot: Snapshot) -> tuple[str, str]:
    """Return a cursor's document and the text right of it."""
    right = snapshot.text[snapshot.offset : snapshot.offset + _CHARS_RIGHT]
    return snapshot.uri, right
