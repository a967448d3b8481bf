"""Checks that the engine starts and completes a line of code with these settings."""

import asyncio
import gc
import time

from lsp_server.config import Config
from lsp_server.doctor.finding import Finding, Level
from lsp_server.engine.start_progress import StartProgress
from lsp_server.errors import MidfillError
from lsp_server.outcomes import CompletionResult
from lsp_server.service import reasons
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.service.local_backend import EngineStarter, service_of
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import EngineInfo, Snapshot, Trigger

__all__ = ["check_generation"]

_BEFORE = "def add(first, second):\n    return "
_AFTER = "\n\n\nprint(add(1, 2))\n"
_NAME = "generation"


def check_generation(
    config: Config, model: LoadedModel, start_engine: EngineStarter
) -> Finding:
    """Start the engine as the server would, and complete at a cursor as it would.

    Takes half a minute and more.
    """
    try:
        return asyncio.run(_examine(config, model, start_engine))
    except MidfillError as error:
        return Finding(
            name=_NAME,
            level=Level.FAILURE,
            what=f"{error.subject}: {error.what}",
            remedy=error.remedy,
        )


async def _examine(
    config: Config, model: LoadedModel, start_engine: EngineStarter
) -> Finding:
    finding = await _complete(config, model, start_engine)
    # vLLM's closed engine lies in a reference cycle. Left there, it is finalised when
    # the interpreter ends, which fails with a traceback on stderr.
    gc.collect()
    return finding


async def _complete(
    config: Config, model: LoadedModel, start_engine: EngineStarter
) -> Finding:
    began = time.perf_counter()
    engine = await start_engine(config, model, StartProgress({}))
    try:
        start_s = time.perf_counter() - began
        result = await service_of(model, engine, config).complete(
            _cursor(),
            request_id="doctor",
            trigger=Trigger.AUTOMATIC,
            typed=TypedAhead(),
        )
        return _judge(result, engine.info, start_s)
    finally:
        await engine.close()


def _cursor() -> Snapshot:
    """Return a place at which every model of code has something to say."""
    return Snapshot(
        uri="file:///add.py",
        language_id="python",
        version=1,
        text=_BEFORE + _AFTER,
        offset=len(_BEFORE),
    )


def _judge(result: CompletionResult, info: EngineInfo, start_s: float) -> Finding:
    """Judge what came of the completion."""
    engine = f"{_describe(info)}: started in {start_s:.0f} s"
    cost = result.timings
    if result.completions and cost is not None:
        return Finding(
            name=_NAME,
            level=Level.OK,
            what=f"{engine}, completed a line with {cost.output_tokens} tokens in "
            f"{cost.total_ms:.0f} ms",
        )
    reason = result.reason.sentence.rstrip(".") if result.reason else "nothing came"
    nothing = result.reason in {reasons.ENDED_AT_ONCE, reasons.DEADLINE}
    if any(result.generated) and not nothing:
        return Finding(
            name=_NAME,
            level=Level.WARNING,
            what=f"{engine}, and nothing of what it wrote would be shown ({reason})",
            remedy="try it in your own code: midfill complete FILE:LINE:COL",
        )
    return Finding(
        name=_NAME,
        level=Level.FAILURE,
        what=f"{engine}, and wrote nothing ({reason})",
        remedy="check that the family in the model's manifest is the one that it was "
        "trained in, or choose another model: midfill models recommend",
    )


def _describe(info: EngineInfo) -> str:
    kernel = f" with {info.kernel}" if info.kernel else ""
    return f"{info.name} {info.version} on {info.device}{kernel}"
