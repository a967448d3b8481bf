"""Keep an engine alive: start it, watch it, start it again when it dies.

This module does not know which engine it is.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn, Self

from lsp_server.config import EngineConfig
from lsp_server.engine.base import Engine
from lsp_server.errors import (
    ConfigError,
    EngineDeadError,
    EngineStartError,
    MidfillError,
    ModelError,
)
from lsp_server.values import (
    EngineHealth,
    EngineInfo,
    EngineState,
    GenerationRequest,
    TokenDelta,
)

__all__ = ["EngineSupervisor", "RestartPolicy"]

logger = logging.getLogger(__name__)

Listener = Callable[[EngineState, str], None]
"""Hears of every state that the engine goes into, with a sentence for people."""

#: Another start would fail in the same way.
_HOPELESS = (ModelError, ConfigError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """When an engine counts as dead, and how patiently it is started again.

    Attributes:
        start_timeout_s: After this many seconds a start counts as failed.
        max_restarts: Restarts in a row, without a finished generation between them,
            before the engine is given up.
        first_delay_s: Pause before the first restart; it doubles with each one.
        longest_delay_s: The pause does not grow beyond this.
        watch_interval_s: How often the engine's health is looked at.
        stall_timeout_s: With requests in flight and no token from any of them for
            this long, the engine counts as hung.
    """

    start_timeout_s: float = 600.0
    max_restarts: int = 5
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    watch_interval_s: float = 0.5
    stall_timeout_s: float = 60.0

    @classmethod
    def from_config(cls, config: EngineConfig) -> Self:
        """Take what the user may set, and the defaults for the rest."""
        return cls(
            start_timeout_s=config.start_timeout_s, max_restarts=config.max_restarts
        )

    def delay_s(self, restarts: int) -> float:
        """The pause before the restart with this number, counted from 1."""
        return min(self.longest_delay_s, self.first_delay_s * 2.0 ** (restarts - 1))


class EngineSupervisor:
    """An engine that comes back after it died.

    It is an `Engine` itself. Requests that arrive while there is no engine fail at
    once; they do not wait.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[Engine]],
        *,
        listener: Listener,
        policy: RestartPolicy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; `begin` starts the engine.

        Args:
            start: Starts an engine. It is called again for every restart.
            listener: Hears of every change of state.
            policy: When and how patiently to restart.
            sleep: How the pause before a restart is waited for.
        """
        self._start = start
        self._listener = listener
        self._policy = policy or RestartPolicy()
        self._sleep = sleep
        self._state = EngineState.STARTING
        self._detail = ""
        self._engine: Engine | None = None
        self._last: Engine | None = None
        self._task: asyncio.Task[None] | None = None
        self._died = asyncio.Event()
        self._restarts = 0
        self._in_flight = 0
        self._progress_at_s = 0.0

    @property
    def state(self) -> EngineState:
        """Where the engine stands."""
        return self._state

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
        if self._task is None and self._state is EngineState.STARTING:
            self._tell(EngineState.STARTING, "the model is being loaded")
            self._task = asyncio.create_task(self._keep_alive(), name="engine-keeper")

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, one delta after the other; closing the generator aborts.

        Raises:
            RequestRejectedError: The engine refuses this request.
            GenerationError: This generation failed, the engine lives.
            EngineDeadError: There is no engine, or it died here.
        """
        engine = self._living(f"request {request.request_id}")
        if not self._in_flight:
            self._progress_at_s = time.monotonic()
        self._in_flight += 1
        try:
            async with contextlib.aclosing(engine.generate(request)) as deltas:
                async for delta in deltas:
                    self._progress_at_s = time.monotonic()
                    if delta.finish_reason is not None:
                        self._restarts = 0
                    yield delta
        except EngineDeadError:
            if engine is self._engine:
                self._died.set()
            raise
        finally:
            self._in_flight -= 1

    async def abort(self, request_id: str) -> None:
        """End a request in the engine; an unknown or ended one is left in peace."""
        if self._engine is not None:
            await self._engine.abort(request_id)

    async def health(self) -> EngineHealth:
        """Tell how the engine is; this never raises."""
        return EngineHealth(
            state=self._state,
            requests_in_flight=self._in_flight,
            detail=self._detail,
        )

    async def close(self) -> None:
        """End the engine, or its start. May be called twice."""
        if self._state is not EngineState.CLOSED:
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
                f"the engine is {self._state.value}",
                subject=subject,
                remedy="wait until it is ready",
            )
        return self._engine

    def _tell(self, state: EngineState, detail: str) -> None:
        self._state = state
        self._detail = "" if state is EngineState.READY else detail
        logger.info("engine.state", extra={"state": state.value, "detail": detail})
        self._listener(state, detail)

    async def _keep_alive(self) -> None:
        while (reason := await self._one_life()) is not None:
            if self._restarts >= self._policy.max_restarts:
                times = f"{self._restarts} restarts"
                self._tell(EngineState.FAILED, f"given up after {times}: {reason}")
                return
            self._restarts += 1
            self._tell(
                EngineState.RESTARTING,
                f"the engine stopped, restart {self._restarts} of "
                f"{self._policy.max_restarts}: {reason}",
            )
            await self._sleep(self._policy.delay_s(self._restarts))

    async def _one_life(self) -> Exception | None:
        """Live once; tell why it ended, or None where another start is no use."""
        try:
            await self._live_once()
        except _HOPELESS as error:
            self._tell(EngineState.FAILED, str(error))
            return None
        except MidfillError as error:
            return error
        except Exception as error:
            # Nobody awaits this task, so an unforeseen error must come out here.
            logger.exception("engine.keeper")
            return error

    async def _live_once(self) -> NoReturn:
        """Start an engine and stay with it until it dies.

        Raises:
            MidfillError: Why it did not start, or how it died.
        """
        timeout_s = self._policy.start_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                engine = await self._start()
        except TimeoutError as error:
            raise EngineStartError(
                f"the engine was not ready after {timeout_s:g} s",
                subject="engine",
                remedy="raise engine.start_timeout_s, or take a smaller model",
            ) from error
        try:
            self._died.clear()
            self._engine = self._last = engine
            self._tell(EngineState.READY, "the engine is ready")
            await self._watch(engine)
        finally:
            self._engine = None
            await engine.close()

    async def _watch(self, engine: Engine) -> NoReturn:
        """Wait for the engine's end.

        Raises:
            EngineDeadError: The engine died or hangs.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._policy.watch_interval_s):
                    await self._died.wait()
            health = await engine.health()
            silent_s = time.monotonic() - self._progress_at_s
            if self._died.is_set() or health.state is not EngineState.READY:
                what = health.detail or "the engine died"
            elif self._in_flight and silent_s > self._policy.stall_timeout_s:
                what = f"no token for {silent_s:.0f} s"
            else:
                continue
            raise EngineDeadError(
                what, subject="engine", remedy="it is started again by itself"
            )
