"""An admission round a scripted engine that writes a token when the test lets it."""

import asyncio
from contextlib import aclosing

from lsp_server.config import AdmissionConfig
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.service.admission import Admission
from lsp_server.values import FinishReason, GenerationRequest, Priority

__all__ = ["Case", "settle"]


async def settle() -> None:
    """Let every task go as far as it can without new input."""
    for _ in range(20):
        await asyncio.sleep(0)


class Case:
    """Requests, each answered with one token."""

    def __init__(
        self,
        *,
        running: int = 1,
        queue: int = 256,
        per_user: int = 256,
        wait_ms: int = 0,
        joined_ms: int = 0,
    ) -> None:
        self._permits = asyncio.Semaphore(0)
        self.engine = ScriptedEngine(Script(answer_ids=(7,)), sleep=self._pause)
        config = AdmissionConfig(
            queue_length=queue,
            per_user=per_user,
            max_wait_ms=wait_ms,
            joined_start_ms=joined_ms,
        )
        self.admission = Admission(self.engine, config, running_limit=running)
        self.tasks: list[asyncio.Task[FinishReason | None]] = []

    async def _pause(self, _seconds: float) -> None:
        await self._permits.acquire()

    def ask(
        self,
        user: str = "a",
        priority: Priority = Priority.AUTOMATIC,
        *,
        deadline_s: float | None = None,
    ) -> asyncio.Task[FinishReason | None]:
        """Send a request; its id is its user and number."""
        request = GenerationRequest(
            request_id=f"{user}{len(self.tasks)}",
            token_ids=(1,),
            max_tokens=1,
            user=user,
            priority=priority,
            deadline_s=deadline_s,
        )
        task = asyncio.create_task(self._answer(request))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.tasks.append(task)
        return task

    def send(
        self,
        user: str = "a",
        priority: Priority = Priority.AUTOMATIC,
        *,
        count: int = 1,
    ) -> None:
        """Send requests whose answers are in ``tasks``."""
        for _ in range(count):
            _ = self.ask(user, priority)

    async def _answer(self, request: GenerationRequest) -> FinishReason | None:
        """Return why the answer ended."""
        reason = None
        async with aclosing(self.admission.generate(request)) as deltas:
            async for delta in deltas:
                reason = delta.finish_reason
        return reason

    async def end(self, requests: int = 1) -> None:
        """Let the engine end so many requests."""
        for _ in range(requests):
            self._permits.release()
            await settle()

    @property
    def scheduled(self) -> list[str]:
        """The ids of all requests that the engine was given, in their order."""
        return [request.request_id for request in self.engine.requests]
