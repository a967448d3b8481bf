"""Checks the model's files, and that the engine completes a line of code with them."""

import asyncio
import gc
import time
from pathlib import Path

from lsp_server.config import Config, Device, ModelConfig
from lsp_server.doctor.findings import Finding, failure, ok, warning
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineInfo
from lsp_server.errors import MidfillError, ModelError
from lsp_server.modelstore.signature import Trust
from lsp_server.outcomes import CompletionResult
from lsp_server.service import reasons
from lsp_server.service.assembly import service_of
from lsp_server.service.engine_start import EngineStarter
from lsp_server.service.loaded_model import LoadedModel, load_model
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

__all__ = ["check_generation", "check_model", "try_model"]

_BEFORE = "def add(first, second):\n    return "
_AFTER = "\n\n\nprint(add(1, 2))\n"
_NAME = "generation"


def try_model(
    wanted: ModelConfig,
    device: Device,
    *,
    pulled: Path | None = None,
    trust: Trust | None = None,
) -> LoadedModel | ModelError:
    """Load all but the weights, or return why not; every byte is read."""
    try:
        return load_model(
            wanted.path, device, pulled=pulled, sha256=wanted.sha256, trust=trust
        )
    except ModelError as error:
        return error


def check_model(model: LoadedModel | ModelError) -> Finding:
    """Check that the model is whole, safe, and one that Midfill can complete with."""
    if isinstance(model, ModelError):
        return failure("model", f"{model.subject}: {model.what}", model.remedy)
    manifest = model.manifest
    scheme = manifest.quantisation
    stored = f"{scheme.bits}-bit {scheme.method}" if scheme else manifest.dtype
    return ok(
        "model",
        f"{manifest.name}, {stored}, family {manifest.family}, "
        f"{manifest.context_length} tokens of context; "
        f"{len(manifest.files)} files as in the manifest",
    )


def check_generation(
    config: Config, model: LoadedModel, start_engine: EngineStarter
) -> Finding:
    """Check that the engine starts and completes a line, both as in the server.

    Takes half a minute and more.
    """
    try:
        return asyncio.run(_examine(config, model, start_engine))
    except MidfillError as error:
        return failure(_NAME, f"{error.subject}: {error.what}", error.remedy)


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
    """Return a cursor at which every model of code writes something."""
    return Snapshot(
        uri="file:///add.py",
        language_id="python",
        version=1,
        text=_BEFORE + _AFTER,
        offset=len(_BEFORE),
    )


def _judge(result: CompletionResult, info: EngineInfo, start_s: float) -> Finding:
    """Return the finding for what the completion came to."""
    engine = f"{_describe(info)}: started in {start_s:.0f} s"
    cost = result.timings
    # How sure the model is of one line says nothing of whether completion works.
    is_written = bool(result.completions) or result.reason is reasons.NOT_SURE
    if is_written and cost is not None:
        return ok(
            _NAME,
            f"{engine}, completed a line with {cost.output_tokens} tokens in "
            f"{cost.total_ms:.0f} ms",
        )
    reason = result.reason.sentence.rstrip(".") if result.reason else "nothing came"
    nothing = result.reason in {reasons.ENDED_AT_ONCE, reasons.DEADLINE}
    if any(result.generated) and not nothing:
        return warning(
            _NAME,
            f"{engine}, and nothing of what it wrote would be shown ({reason})",
            "try it in your own code: midfill complete FILE:LINE:COL",
        )
    return failure(
        _NAME,
        f"{engine}, and wrote nothing ({reason})",
        "check that the family in the model's manifest is the one that it was "
        "trained in, or choose another model: midfill models recommend",
    )


def _describe(info: EngineInfo) -> str:
    kernel = f" with {info.kernel}" if info.kernel else ""
    return f"{info.name} {info.version} on {info.device}{kernel}"
