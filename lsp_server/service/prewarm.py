"""Has an idle engine read the prompt for a place before the first key there.

LSP does not tell of a cursor that jumps. A request there does, also one for which
nothing is generated: no suggestion may come up there, or an old one is offered again.
The first key then finds the prompt in the engine's prefix cache.
"""

import asyncio
from collections.abc import Callable, Coroutine

from lsp_server.errors import EngineError
from lsp_server.text import count_line_ends
from lsp_server.values import Snapshot

__all__ = ["Prewarmer"]

_NEAR_LINES = 16
"""So near to a place that was read, most of a prompt is in the prefix cache."""


class Prewarmer:
    """Reads ahead for one connection, at one place at a time.

    Args:
        read: Has the engine read the prompt for a cursor, under a request id.
        is_idle: Returns whether the engine has nothing to do.
    """

    def __init__(
        self,
        read: Callable[[Snapshot, str], Coroutine[None, None, None]],
        is_idle: Callable[[], bool],
    ) -> None:
        """Begin with nothing read."""
        self._read = read
        self._is_idle = is_idle
        self._place = ("", 0)
        self._task: asyncio.Task[None] | None = None

    def was_read(self, snapshot: Snapshot) -> None:
        """Note that a request had the engine read the prompt for a cursor."""
        self._place = _place_of(snapshot)

    def begin(self, snapshot: Snapshot, request_id: str) -> None:
        """Read ahead for a cursor, unless the engine is busy or was there just now."""
        uri, line = place = _place_of(snapshot)
        is_near = uri == self._place[0] and abs(line - self._place[1]) <= _NEAR_LINES
        if is_near or not self._is_idle():
            return
        self.cancel()
        self._place = place
        self._task = asyncio.create_task(self._read_ahead(snapshot, request_id))

    def cancel(self) -> None:
        """End the reading, because of a request; what was read stays read."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _read_ahead(self, snapshot: Snapshot, request_id: str) -> None:
        """Read ahead; an engine that fails fails for whoever asks it next."""
        try:
            await self._read(snapshot, f"{request_id}.read")
        except EngineError:
            self._place = ("", 0)


def _place_of(snapshot: Snapshot) -> tuple[str, int]:
    """Return a cursor's document and line."""
    return snapshot.uri, count_line_ends(snapshot.text, snapshot.offset)
