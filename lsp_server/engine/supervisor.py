"""Keeps an engine running: starts it, watches it, and restarts it when it fails."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NoReturn

from lsp_server.engine.base import Engine, Listener, Start
from lsp_server.engine.hang_watch import (
    CANARY,
    HangWatch,
    RestartPolicy,
    StallClock,
)
from lsp_server.engine.vllm_errors import explain
from lsp_server.engine_values import EngineHealth, EngineInfo, EngineNews, EngineState
from lsp_server.errors import EngineDeadError, EngineStartError, MidfillError
from lsp_server.values import GenerationRequest, TokenDelta

__all__ = ["EngineSupervisor"]

logger = logging.getLogger(__name__)


class EngineSupervisor:
    """An `Engine` that is restarted when it fails.

    Requests that arrive while no engine is ready fail at once; they do not wait.
    """

    def __init__(
        self,
        start: Start,
        *,
        listener: Listener,
        policy: RestartPolicy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `begin` starts the engine.

        Args:
            start: Starts an engine; called again for every restart.
            listener: Called on every change of state, and as a start progresses.
            policy: Time limits, and how often to restart.
            sleep: Waits for the pause before a restart.
            now_s: The clock, in seconds, by which a hang is noticed.
        """
        self._start = start
        self._listener = listener
        self._policy = policy or RestartPolicy()
        self._sleep = sleep
        self._now_s = now_s
        self._news = EngineNews(state=EngineState.STARTING, what="")
        self._engine: Engine | None = None
        self._latest: Engine | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._restart_wanted = asyncio.Event()
        self._hangs = self._watch_for_hangs("")
        self._restarts = 0
        self._total_restarts = 0
        self._in_flight = 0

    @property
    def state(self) -> EngineState:
        """The engine's state."""
        return self._news.state

    @property
    def ready(self) -> bool:
        """Whether there is an engine that takes requests."""
        return self._engine is not None

    @property
    def info(self) -> EngineInfo:
        """Name, version and device of the engine.

        Raises:
            EngineDeadError: There is no engine at the moment.
        """
        return self._ready_engine("info").info

    def begin(self) -> None:
        """Begin to start the engine, and return at once; a second call does nothing."""
        if self._task is None and self.state is EngineState.STARTING:
            what = "the engine is being started"
            self._announce(EngineState.STARTING, what, percent=0)
            self._task = asyncio.create_task(self._run(), name="engine-keeper")

    def restart(self) -> None:
        """Restart the engine at once, whether it is ready, waiting or given up.

        A start that is under way is left alone.
        """
        self._restart_wanted.set()
        if self._engine is not None:
            self._ended.set()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, one delta after the other; closing the generator aborts.

        Raises:
            RequestRejectedError: The engine refuses this request.
            GenerationError: This generation failed, the engine lives.
            EngineDeadError: There is no engine, or it died here.
        """
        engine = self._ready_engine(f"request {request.request_id}")
        waiting = True
        self._hangs.note_request(request, others_wait=self._in_flight > 0)
        self._in_flight += 1
        try:
            async with contextlib.aclosing(engine.generate(request)) as deltas:
                async for delta in deltas:
                    if delta.token_ids or delta.finish_reason is not None:
                        waiting = False
                        self._hangs.note_token(others_wait=self._in_flight > 1)
                    yield delta
        except EngineDeadError:
            waiting = True
            if engine is self._engine:
                self._ended.set()
            raise
        finally:
            self._in_flight -= 1
            if not waiting and request is not CANARY:
                # A token came, and the engine did not die of the request.
                self._restarts = 0

    async def abort(self, request_id: str) -> None:
        """End a request in the engine; an unknown or finished one is ignored."""
        if self._engine is not None:
            await self._engine.abort(request_id)

    async def health(self) -> EngineHealth:
        """Return the engine's state; never raises."""
        return EngineHealth(
            state=self.state,
            requests_in_flight=self._in_flight,
            detail="" if self.state is EngineState.READY else self._news.what,
        )

    async def close(self) -> None:
        """End the engine, or its start. May be called twice."""
        if self.state is not EngineState.CLOSED:
            self._announce(EngineState.CLOSED, "the engine was shut down")
        if self._task is not None:
            self._task.cancel()
            # Unlike awaiting the task, this raises only the caller's own cancellation.
            await asyncio.wait({self._task})
        if self._latest is not None:
            await self._latest.close()

    def _ready_engine(self, subject: str) -> Engine:
        if self._engine is None:
            raise EngineDeadError(
                f"the engine is {self.state.value}",
                subject=subject,
                remedy="wait until it is ready",
            )
        return self._engine

    def _announce(
        self,
        state: EngineState,
        what: str,
        *,
        remedy: str = "",
        percent: int | None = None,
    ) -> None:
        restarts = self._restarts
        if state is EngineState.READY:
            restarts = self._total_restarts
        if state is not self.state or percent is None:
            logger.info("engine.state", extra={"state": state.value, "detail": what})
        self._news = EngineNews(
            state=state,
            what=what,
            remedy=remedy,
            percent=percent,
            restarts=restarts,
            device=self._engine.info.device if self._engine is not None else "",
        )
        self._listener(self._news)

    async def _run(self) -> None:
        """Start an engine again and again, until the task is cancelled."""
        while True:
            was_ready, error = await self._run_engine()
            what, remedy = explain(error)
            if self._restart_wanted.is_set():
                self._restarts = 0
                what, remedy = "a restart was asked for", ""
            elif self._policy.gives_up_at_once(error, was_ready=was_ready):
                await self._give_up(what, remedy)
            elif self._restarts >= self._policy.max_restarts:
                await self._give_up(f"{what}, after {self._restarts} restarts", remedy)
            self._restarts += 1
            self._total_restarts += 1
            self._announce(EngineState.RESTARTING, what, remedy=remedy)
            await self._pause()

    async def _give_up(self, what: str, remedy: str) -> None:
        """Announce that the engine is given up, and wait until the user restarts it."""
        self._announce(EngineState.FAILED, what, remedy=remedy)
        await self._restart_wanted.wait()
        self._restarts = 0

    async def _pause(self) -> None:
        """Wait before a restart, or until the user asks for it."""
        pause = asyncio.ensure_future(self._sleep(self._policy.delay_s(self._restarts)))
        wanted = asyncio.ensure_future(self._restart_wanted.wait())
        try:
            await asyncio.wait({pause, wanted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            wanted.cancel()
        self._restart_wanted.clear()

    async def _run_engine(self) -> tuple[bool, Exception]:
        """Run one engine; return whether any was ever ready, and why this one ended."""
        try:
            await self._start_and_watch()
        except MidfillError as error:
            return self._latest is not None, error
        except Exception as error:
            # Nobody awaits this task, so an unforeseen error is logged here.
            logger.exception("engine.keeper")
            return self._latest is not None, error

    async def _start_and_watch(self) -> NoReturn:
        """Start an engine, and watch it until it ends.

        Raises:
            MidfillError: Why it did not start, or why it ended.
        """
        timeout_s = self._policy.start_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                engine = await self._start(self._progress)
        except TimeoutError as error:
            raise EngineStartError(
                f"the engine was not ready after {timeout_s:g} s",
                subject="engine",
                remedy="raise engine.start_timeout_s, or take a smaller model",
            ) from error
        try:
            self._ended.clear()
            self._restart_wanted.clear()
            self._hangs = self._watch_for_hangs(engine.info.device)
            self._engine = self._latest = engine
            self._announce(EngineState.READY, "the engine is ready")
            await self._watch(engine)
        finally:
            self._engine = None
            await engine.close()

    def _progress(self, percent: int, what: str) -> None:
        """Announce how far a start has got."""
        if self.state in {EngineState.STARTING, EngineState.RESTARTING}:
            self._announce(self.state, what, percent=percent)

    async def _watch(self, engine: Engine) -> NoReturn:
        """Check the engine's health until it ends.

        Raises:
            EngineDeadError: The engine died or hangs, or the user wants a restart.
        """
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._policy.watch_interval_s):
                        await self._ended.wait()
                health = await engine.health()
                what = self._hangs.check(health)
                if self._ended.is_set() or health.state is not EngineState.READY:
                    what = health.detail or "the engine process ended"
                if what:
                    raise EngineDeadError(
                        what, subject="engine", remedy="it is started again by itself"
                    )
        finally:
            self._hangs.close()

    def _watch_for_hangs(self, device: str) -> HangWatch:
        """Return the watch of an engine on a device."""
        clock = StallClock(now_s=self._now_s)
        return HangWatch(self._policy, self._send_canary, device=device, clock=clock)

    async def _send_canary(self) -> None:
        """Have the engine generate a token for nobody.

        Raises:
            EngineError: It could not.
        """
        async with contextlib.aclosing(self.generate(CANARY)) as deltas:
            async for _ in deltas:
                pass
