"""Lets requests begin together while the engine works for many.

A step of a GPU that reads prompts, however little of them, takes about twice as long as
one that only decodes, and everybody in the engine waits for it. Where requests come at
any moment, nearly every step is such a one. So behind a request that has begun the next
ones wait for a moment, and begin in one step.
"""

import asyncio

__all__ = ["LEAST_RUNNING", "JoinedStarts"]

LEAST_RUNNING = 8
"""With fewer requests in the engine each begins at once: there is little to gain."""


class JoinedStarts:
    """A door before an engine, which opens for all that wait at it.

    Args:
        wait_ms: So long it stays shut behind those that have begun; 0 leaves it open.
    """

    def __init__(self, wait_ms: float) -> None:
        """Begin with an open door."""
        self._wait_s = wait_ms / 1e3
        self._opens_s = 0.0
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def wait(
        self, request_id: str, *, running: int, is_urgent: bool = False
    ) -> bool:
        """Wait until a request may begin; return False if it was aborted meanwhile.

        Args:
            request_id: The request.
            running: How many others are in the engine, or wait here.
            is_urgent: Whether it does not wait; those that wait begin with it.
        """
        loop = asyncio.get_running_loop()
        is_open = is_urgent or running < LEAST_RUNNING or loop.time() >= self._opens_s
        if is_open or not self._wait_s:
            self._open()
            return True
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting[request_id] = turn
        if self._timer is None:
            self._timer = loop.call_at(self._opens_s, self._open)
        try:
            return await turn
        finally:
            self._waiting.pop(request_id, None)

    def abort(self, request_id: str) -> bool:
        """End a request's wait, and return whether it waited here."""
        return self._end(request_id, may_begin=False)

    def _open(self) -> None:
        """Let all that wait begin, and shut the door behind them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._opens_s = asyncio.get_running_loop().time() + self._wait_s
        for request_id in tuple(self._waiting):
            self._end(request_id, may_begin=True)

    def _end(self, request_id: str, *, may_begin: bool) -> bool:
        turn = self._waiting.pop(request_id, None)
        if turn is None or turn.done():
            return False
        turn.set_result(may_begin)
        return True
