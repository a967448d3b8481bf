"""Has the engine write the missing text at cursors, and keeps each token's probability.

A tape holds what was written at one cursor. Tapes can be kept in a file, and every gate
be tried on them later, without an engine.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.calibration_gates import Tape
from lsp_server.config import CompletionConfig, Config, Device, EngineConfig
from lsp_server.context.cursor import CursorContext
from lsp_server.engine.base import Engine
from lsp_server.engine_values import EngineHealth, EngineInfo
from lsp_server.service.assembly import service_of
from lsp_server.service.loaded_model import load_model
from lsp_server.service.trigger import why_unwelcome
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import GenerationRequest, TokenDelta, Trigger
from training.eval.evaluation import start_vllm
from training.eval.generation import map_concurrently
from training.eval.model import ModelArgument, load_evaluated_model
from training.eval.values import Task

__all__ = ["read_tapes", "record", "write_tapes"]

_DECODED_AT_ONCE = 15
"""About as many candidates as the engine of a CPU decodes side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What the engine wrote for one candidate."""

    token_ids: list[int]
    logprobs: list[float]


class _Recorder:
    """Passes requests on to an engine, and keeps what it wrote."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.written: dict[str, tuple[GenerationRequest, _Written]] = {}

    @property
    def info(self) -> EngineInfo:
        """What the engine is."""
        return self._engine.info

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate with log-probabilities, and keep both."""
        written = _Written(token_ids=[], logprobs=[])
        self.written[request.request_id] = (request, written)
        try:
            async for delta in self._engine.generate(replace(request, logprobs=True)):
                written.token_ids.extend(delta.token_ids)
                written.logprobs.extend(delta.logprobs)
                yield delta
        except asyncio.CancelledError:
            # The server gave the candidate up, so it has no text.
            del self.written[request.request_id]
            raise

    async def abort(self, request_id: str) -> None:
        """End a request in the engine."""
        await self._engine.abort(request_id)

    async def health(self) -> EngineHealth:
        """Return the engine's health."""
        return await self._engine.health()

    async def close(self) -> None:
        """End the engine."""
        await self._engine.close()


async def record(
    place: str,
    suites: Mapping[str, Sequence[Task]],
    *,
    device: Device,
    candidates: int,
) -> list[Tape]:
    """Have the engine write every task's text, where a completion comes by itself.

    Args:
        place: Where the model is.
        suites: The tasks of each suite.
        device: What it runs on.
        candidates: How many texts are written at each cursor.
    """
    # A busy machine must cut no text short.
    completion = CompletionConfig(candidates=candidates, deadline_ms=0)
    config = Config(completion=completion)
    model = load_model(place, device)
    evaluated = load_evaluated_model(ModelArgument(name="", place=place), device)
    engine = _Recorder(await start_vllm(evaluated, EngineConfig(device=device)))
    service = service_of(model, engine, config)
    every = [
        (suite, task)
        for suite, tasks in suites.items()
        for task in tasks
        # Only where a completion comes by itself is there a gate.
        if why_unwelcome(CursorContext.of(task.snapshot), Trigger.AUTOMATIC) is None
    ]

    async def write(number: int, item: tuple[str, Task]) -> Tape:
        suite, task = item
        name = f"task-{number}"
        await service.complete(
            task.snapshot, request_id=name, trigger=Trigger.INVOKED, typed=TypedAhead()
        )
        ids = [name, *(f"{name}.{at}" for at in range(1, candidates))]
        found = [engine.written[each] for each in ids if each in engine.written]
        hold = found[0][0].hold if found else None
        return Tape(
            suite=suite,
            task_id=task.task_id,
            held=hold.text if hold else "",
            token_ids=[written.token_ids for _, written in found],
            logprobs=[written.logprobs for _, written in found],
        )

    try:
        limit = _DECODED_AT_ONCE // candidates
        return await map_concurrently(every, write, limit=limit)
    finally:
        await engine.close()


def write_tapes(path: Path, began: Mapping[str, object], tapes: Sequence[Tape]) -> None:
    """Keep tapes in a file, with the circumstances in which they were recorded."""
    kept = {"began": began, "tapes": [asdict(tape) for tape in tapes]}
    path.write_text(json.dumps(kept), "utf-8")


def read_tapes(path: Path) -> tuple[dict[str, object], list[Tape]]:
    """Return the circumstances and the tapes of a file."""
    kept = json.loads(path.read_text("utf-8"))
    return kept["began"], [Tape(**raw) for raw in kept["tapes"]]
