"""Keep an engine, whichever it is, alive: start it, watch it, start it again."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NoReturn

from lsp_server.engine.base import Engine, Listener, Start
from lsp_server.engine.faults import said_by
from lsp_server.engine.restart_policy import RestartPolicy, StallClock
from lsp_server.errors import EngineDeadError, EngineStartError, MidfillError
from lsp_server.values import (
    EngineHealth,
    EngineInfo,
    EngineNews,
    EngineState,
    GenerationRequest,
    TokenDelta,
)

__all__ = ["EngineSupervisor"]

logger = logging.getLogger(__name__)

#: Asked of an engine that owes others a token, to see whether it still gives any.
_PROBE = GenerationRequest(request_id="engine-probe", token_ids=(0, 0), max_tokens=1)


class EngineSupervisor:
    """An engine that comes back after it died; an `Engine` itself.

    Requests that arrive while there is none fail at once; they do not wait.
    """

    def __init__(
        self,
        start: Start,
        *,
        listener: Listener,
        policy: RestartPolicy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; `begin` starts the engine.

        Args:
            start: Starts an engine. It is called again for every restart.
            listener: Hears of every change.
            policy: When and how patiently to restart.
            sleep: How the pause before a restart is waited for.
        """
        self._start = start
        self._listener = listener
        self._policy = policy or RestartPolicy()
        self._sleep = sleep
        self._news = EngineNews(state=EngineState.STARTING, what="")
        self._engine: Engine | None = None
        self._last: Engine | None = None
        self._task: asyncio.Task[None] | None = None
        self._died = asyncio.Event()
        self._asked = asyncio.Event()
        self._clock = StallClock()
        self._restarts = 0
        self._restarts_in_all = 0
        self._in_flight = 0

    @property
    def state(self) -> EngineState:
        """Where the engine stands."""
        return self._news.state

    @property
    def ready(self) -> bool:
        """Whether a request has a chance."""
        return self._engine is not None

    @property
    def info(self) -> EngineInfo:
        """What the engine is.

        Raises:
            EngineDeadError: There is none at the moment.
        """
        return self._living("info").info

    def begin(self) -> None:
        """Begin to start the engine, and return at once. A second call does nothing."""
        if self._task is None and self.state is EngineState.STARTING:
            self._tell(EngineState.STARTING, "the engine is being started", percent=0)
            self._task = asyncio.create_task(self._keep_alive(), name="engine-keeper")

    def restart(self) -> None:
        """Start the engine again at once: one that works, waits or was given up.

        A start that is under way is left alone.
        """
        self._asked.set()
        if self._engine is not None:
            self._died.set()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, one delta after the other; closing the generator aborts.

        Raises:
            RequestRejectedError: The engine refuses this request.
            GenerationError: This generation failed, the engine lives.
            EngineDeadError: There is no engine, or it died here.
        """
        engine = self._living(f"request {request.request_id}")
        waits = True
        self._in_flight += 1
        self._clock.asked()
        try:
            async with contextlib.aclosing(engine.generate(request)) as deltas:
                async for delta in deltas:
                    if delta.token_ids or delta.finish_reason is not None:
                        waits = False
                        self._clock.answered(others_wait=self._in_flight > 1)
                    yield delta
        except EngineDeadError:
            waits = True
            if engine is self._engine:
                self._died.set()
            raise
        finally:
            self._in_flight -= 1
            if not waits:
                # Whoever ended it, a token came, and the engine did not die of it.
                self._restarts = 0

    async def abort(self, request_id: str) -> None:
        """End a request in the engine; an unknown or ended one is left in peace."""
        if self._engine is not None:
            await self._engine.abort(request_id)

    async def health(self) -> EngineHealth:
        """Tell how the engine is; this never raises."""
        return EngineHealth(
            state=self.state,
            requests_in_flight=self._in_flight,
            detail="" if self.state is EngineState.READY else self._news.what,
        )

    async def close(self) -> None:
        """End the engine, or its start. May be called twice."""
        if self.state is not EngineState.CLOSED:
            self._tell(EngineState.CLOSED, "the engine was shut down")
        if self._task is not None:
            self._task.cancel()
            # Its own cancellation ends here; one of the caller goes on.
            await asyncio.wait({self._task})
        if self._last is not None:
            await self._last.close()

    def _living(self, subject: str) -> Engine:
        if self._engine is None:
            raise EngineDeadError(
                f"the engine is {self.state.value}",
                subject=subject,
                remedy="wait until it is ready",
            )
        return self._engine

    def _tell(
        self,
        state: EngineState,
        what: str,
        *,
        remedy: str = "",
        percent: int | None = None,
    ) -> None:
        restarts = self._restarts
        if state is EngineState.READY:
            restarts = self._restarts_in_all
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

    async def _keep_alive(self) -> None:
        while True:
            was_ready, error = await self._one_life()
            what, remedy = said_by(error)
            if self._asked.is_set():
                self._restarts = 0
                what, remedy = "a restart was asked for", ""
            elif self._policy.gives_up_at_once(error, was_ready=was_ready):
                await self._give_up(what, remedy)
            elif self._restarts >= self._policy.max_restarts:
                await self._give_up(f"{what}, after {self._restarts} restarts", remedy)
            self._restarts += 1
            self._restarts_in_all += 1
            self._tell(EngineState.RESTARTING, what, remedy=remedy, percent=0)
            await self._pause()

    async def _give_up(self, what: str, remedy: str) -> None:
        """Tell that there will be no engine, and wait until the user asks for one."""
        self._tell(EngineState.FAILED, what, remedy=remedy)
        await self._asked.wait()
        self._restarts = 0

    async def _pause(self) -> None:
        """Wait before a restart, unless the user asks for it."""
        waits = asyncio.ensure_future(self._sleep(self._policy.delay_s(self._restarts)))
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({waits, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waits.cancel()
            asked.cancel()
        self._asked.clear()

    async def _one_life(self) -> tuple[bool, Exception]:
        """Live once; tell whether an engine was ever ready, and why this one ended."""
        try:
            await self._live_once()
        except MidfillError as error:
            return self._last is not None, error
        except Exception as error:
            # Nobody awaits this task, so an unforeseen error must come out here.
            logger.exception("engine.keeper")
            return self._last is not None, error

    async def _live_once(self) -> NoReturn:
        """Start an engine and stay with it until it dies.

        Raises:
            MidfillError: Why it did not start, or how it died.
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
            self._died.clear()
            self._asked.clear()
            self._clock = StallClock()
            self._engine = self._last = engine
            self._tell(EngineState.READY, "the engine is ready")
            await self._watch(engine)
        finally:
            self._engine = None
            await engine.close()

    def _progress(self, percent: int, what: str) -> None:
        """Tell how far a start has got."""
        if self.state in {EngineState.STARTING, EngineState.RESTARTING}:
            self._tell(self.state, what, percent=percent)

    async def _watch(self, engine: Engine) -> NoReturn:
        """Wait for the engine's end.

        Raises:
            EngineDeadError: The engine died or hangs, or the user wants another.
        """
        probe: asyncio.Task[None] | None = None
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._policy.watch_interval_s):
                        await self._died.wait()
                health = await engine.health()
                self._clock.looked(health.cpu_s)
                if self._died.is_set() or health.state is not EngineState.READY:
                    what = health.detail or "the engine process ended"
                elif self._clock.is_hung(self._policy):
                    what = f"the engine hung for {self._clock.owed_for_s:.0f} s"
                else:
                    late = self._clock.owed_for_s > self._policy.probe_after_s
                    if late and (probe is None or probe.done()):
                        probe = asyncio.create_task(self._probe())
                    continue
                raise EngineDeadError(
                    what, subject="engine", remedy="it is started again by itself"
                )
        finally:
            if probe is not None:
                probe.cancel()

    async def _probe(self) -> None:
        """Ask for a token, which pays what the engine owes; no error counts here."""
        with contextlib.suppress(MidfillError):
            async with contextlib.aclosing(self.generate(_PROBE)) as deltas:
                async for _ in deltas:
                    pass
