"""Scripted engines that a supervisor starts, and a listener that keeps its news."""

import asyncio
import contextlib
from collections.abc import Callable

from lsp_server.engine.base import Engine, ReportProgress
from lsp_server.engine.hang_watch import RestartPolicy
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.supervisor import EngineSupervisor
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import (
    EngineStartError,
)
from lsp_server.values import GenerationRequest

SCRIPT = Script(answer_ids=(7, 8))


REQUEST = GenerationRequest(request_id="r", token_ids=(1, 2), max_tokens=8)


FAST = RestartPolicy(watch_interval_s=0.005, max_restarts=2)


class News:
    """A listener whose news can be waited for."""

    def __init__(self) -> None:
        self.items: list[EngineNews] = []
        self._changed = asyncio.Event()

    def __call__(self, news: EngineNews) -> None:
        self.items.append(news)
        self._changed.set()

    @property
    def states(self) -> list[EngineState]:
        return [each.state for each in self.items]

    async def until(self, state: EngineState, times: int = 1) -> None:
        """Wait until a state was reported so many times."""
        async with asyncio.timeout(60):
            while self.states.count(state) < times:
                self._changed.clear()
                await self._changed.wait()


class Starter:
    """Starts scripted engines, or raises, in the order that a test lays down.

    The last entry goes for every later start.
    """

    def __init__(self, *plan: Script | Exception) -> None:
        self._plan = plan
        self.engines: list[ScriptedEngine] = []
        self.starts = 0

    async def __call__(self, _report: ReportProgress) -> Engine:
        step = self._plan[min(self.starts, len(self._plan) - 1)]
        self.starts += 1
        if isinstance(step, Exception):
            raise step
        self.engines.append(await ScriptedEngine.start(step))
        return self.engines[-1]


Supervise = Callable[..., EngineSupervisor]


async def tokens_of(engine: Engine) -> list[int]:
    """The tokens that an engine answers with."""
    async with contextlib.aclosing(engine.generate(REQUEST)) as deltas:
        return [token async for delta in deltas for token in delta.token_ids]


def start_error() -> EngineStartError:
    """A failure that may pass."""
    return EngineStartError("no memory", subject="m", remedy="wait")
