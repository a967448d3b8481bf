"""How sure the model is, and how often it is right: thresholds for `confidence`.

Run it with ``python -m benchmarks.calibration``; ``--help`` lists the options.

The real engine writes the missing text of held-out code at drawn cursors, as the server
has it written: its prompt, its stop rule, its candidates. Each token's probability is
kept, so every gate is tried on the same texts afterwards, with the server's own code,
filters included, and where the server ends a suggestion that comes by itself: with the
statement, or the block that it opens. What is kept can be read again (``--tape``),
without an engine.

Floors are chosen on one half of the cursors, drawn by the seed: for each level the
lowest one at which enough of what is shown is right. The other half says what they are
worth.
"""

import argparse
import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.calibration_figures import draw_curves, summarise
from benchmarks.calibration_gates import Playback, Tape
from benchmarks.figures import circumstances, write_result
from lsp_server.config import (
    SHIPPED_MODEL,
    CompletionConfig,
    Config,
    Device,
    EngineConfig,
)
from lsp_server.context.cursor import CursorContext
from lsp_server.engine.base import Engine
from lsp_server.engine_values import EngineHealth, EngineInfo
from lsp_server.service.assembly import service_of
from lsp_server.service.loaded_model import LoadedModel, load_model
from lsp_server.service.trigger import why_unwelcome
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import GenerationRequest, TokenDelta, Trigger
from training.eval.data import canonical_name
from training.eval.evaluation import start_vllm
from training.eval.generation import map_concurrently
from training.eval.model import ModelArgument, load_evaluated_model, trained_packages
from training.eval.suites import read_human_eval, read_replay
from training.eval.values import Task

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = (
    *("anyio", "click", "flask", "httpx", "jinja2", "jsonschema", "networkx"),
    *("packaging", "rich", "websockets", "werkzeug", "charset_normalizer"),
    *("detect_secrets", "distlib", "fsspec", "httpcore", "loguru", "platformdirs"),
    "pygls",
)
"""Installed packages; asked in are those whose code the model was not trained on."""

_CANDIDATES = 3
_CONCURRENT_REQUESTS = 5
"""Of three candidates each: about as many as the engine decodes side by side."""


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


def _packages(model: LoadedModel) -> list[str]:
    """Return the packages that the model was not trained on."""
    trained = trained_packages(model.folder) or frozenset()
    names = [name for name in _PACKAGES if canonical_name(name) not in trained]
    if not names:
        raise SystemExit("the model was trained on every package that is asked in here")
    return names


def _tasks(
    arguments: argparse.Namespace, packages: Sequence[str]
) -> dict[str, list[Task]]:
    """Draw the cursors of each suite."""
    folders = []
    for name in packages:
        found = importlib.util.find_spec(name)
        if found is None or not found.submodule_search_locations:
            raise SystemExit(f"the package {name} is not installed")
        folders.append(Path(found.submodule_search_locations[0]))
    replay, _ = read_replay(
        [], folders, CompletionConfig(), limit=arguments.tasks, seed=arguments.seed
    )
    suites = {"replay": replay}
    if arguments.human_eval is not None:
        lines, _ = read_human_eval(
            [arguments.human_eval], limit=arguments.tasks // 2, seed=arguments.seed
        )
        suites["HumanEval"] = [t for t in lines if t.category == "single-line"]
    return suites


async def _record(
    arguments: argparse.Namespace, suites: Mapping[str, Sequence[Task]]
) -> list[Tape]:
    """Have the engine write every task's text."""
    # A busy machine must cut no text short.
    completion = CompletionConfig(candidates=_CANDIDATES, deadline_ms=0)
    config = Config(completion=completion)
    model = load_model(arguments.model, Device.CPU)
    evaluated = load_evaluated_model(
        ModelArgument(name="", place=arguments.model), Device.CPU
    )
    engine = _Recorder(await start_vllm(evaluated, EngineConfig()))
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
        ids = [name, *(f"{name}.{at}" for at in range(1, _CANDIDATES))]
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
        return await map_concurrently(every, write, limit=_CONCURRENT_REQUESTS)
    finally:
        await engine.close()


async def _run(arguments: argparse.Namespace) -> None:
    began = circumstances()
    packages = _packages(load_model(arguments.model, Device.CPU))
    suites = _tasks(arguments, packages)
    if arguments.tape is not None and arguments.tape.is_file():
        kept = json.loads(arguments.tape.read_text("utf-8"))
        began, tapes = kept["began"], [Tape(**raw) for raw in kept["tapes"]]
    else:
        tapes = await _record(arguments, suites)
        if arguments.tape is not None:
            kept = {"began": began, "tapes": [asdict(tape) for tape in tapes]}
            arguments.tape.write_text(json.dumps(kept), "utf-8")
    by_id = {task.task_id: task for tasks in suites.values() for task in tasks}
    tokenizer = load_model(arguments.model, Device.CPU).tokenizer
    playback = Playback(tokenizer, CompletionConfig())
    result = {
        "benchmark": "calibration",
        **began,
        "model": arguments.model,
        "seed": arguments.seed,
        "packages": packages,
        **await summarise(playback, tapes, by_id, seed=arguments.seed),
    }
    write_result(arguments.out, result)
    draw_curves(result, arguments.picture)


def main(words: Sequence[str] | None = None) -> int:
    """Record, try the gates, print tables, and write result and picture."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration",
        description="Compare how sure the model is with how often it is right.",
    )
    add = parser.add_argument
    add("--model", default=SHIPPED_MODEL)
    add("--tasks", type=int, default=480, help="cursors in the replay")
    add("--human-eval", type=Path, help="a folder of HumanEval-Infilling")
    add("--seed", type=int, default=0)
    add("--tape", type=Path, help="keeps what the engine wrote, or has kept it")
    add("--out", type=Path, default=_ROOT / "benchmarks/results/calibration.json")
    add("--picture", type=Path, default=_ROOT / "docs/completion/confidence.svg")
    asyncio.run(_run(parser.parse_args(words)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
