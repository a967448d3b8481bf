"""A listener to an engine's news, for tests."""

import asyncio

from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.outcomes import OverloadStep


class Listener:
    """Keeps an engine's news, and lets a test wait for a state."""

    def __init__(self) -> None:
        self.received: list[EngineNews] = []
        self.steps: list[OverloadStep] = []
        self._news = asyncio.Condition()

    def overload_changed(self, step: OverloadStep) -> None:
        self.steps.append(step)

    def engine_changed(self, news: EngineNews) -> None:
        self.received.append(news)
        task = asyncio.ensure_future(self._notify())
        task.add_done_callback(lambda done: done.result())

    async def until(self, *states: EngineState, timeout_s: float = 60) -> EngineNews:
        """Wait until one of the states is the latest, and return its news."""
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(
                lambda: bool(self.received) and self.received[-1].state in states
            )
        return self.received[-1]

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()
