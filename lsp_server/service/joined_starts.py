"""Lets requests begin together while the engine works for many.

A step of a GPU that reads prompts, however little of them, takes about twice as long as
one that only decodes, and everybody in the engine waits for it. Where requests come at
any moment, nearly every step is such a one. So after a request has begun the next ones
wait for a moment, and begin in one step.
"""

import asyncio

__all__ = ["LEAST_RUNNING", "JoinedStarts"]

LEAST_RUNNING = 8
"""With fewer requests in the engine each begins at once: there is little to gain."""


class JoinedStarts:
    """Holds requests back before an engine, and lets all that wait begin together.

    Args:
        wait_ms: How long after a start, in milliseconds, requests are held back; 0
            holds none back.
    """

    def __init__(self, wait_ms: float) -> None:
        self._wait_s = wait_ms / 1e3
        self._next_start_s = 0.0
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
        begins = (
            is_urgent or running < LEAST_RUNNING or loop.time() >= self._next_start_s
        )
        if begins or not self._wait_s:
            self._start()
            return True
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting[request_id] = turn
        if self._timer is None:
            self._timer = loop.call_at(self._next_start_s, self._start)
        try:
            return await turn
        finally:
            self._waiting.pop(request_id, None)

    def abort(self, request_id: str) -> bool:
        """End a request's wait, and return whether it waited here."""
        return self._end(request_id, may_begin=False)

    def _start(self) -> None:
        """Let all that wait begin, and hold back those that come next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._next_start_s = asyncio.get_running_loop().time() + self._wait_s
        for request_id in tuple(self._waiting):
            self._end(request_id, may_begin=True)

    def _end(self, request_id: str, *, may_begin: bool) -> bool:
        turn = self._waiting.pop(request_id, None)
        if turn is None or turn.done():
            return False
        turn.set_result(may_begin)
        return True
