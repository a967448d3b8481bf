"""Does the engine start, and does one token come out of it?"""

import asyncio
import contextlib
import gc
import time

from lsp_server.config import Config
from lsp_server.doctor.finding import Finding, Level
from lsp_server.engine.start_progress import StartProgress
from lsp_server.errors import MidfillError
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.service.local_backend import EngineStarter
from lsp_server.values import EngineInfo, GenerationRequest

__all__ = ["check_generation"]

_CODE = "def add(a, b):\n    return "


def check_generation(
    config: Config, model: LoadedModel, start_engine: EngineStarter
) -> Finding:
    """Start the engine as the server would, and generate one token.

    Takes half a minute and more.
    """
    try:
        return asyncio.run(_examine(config, model, start_engine))
    except MidfillError as error:
        return Finding(
            name="generation",
            level=Level.FAILURE,
            what=f"{error.subject}: {error.what}",
            remedy=error.remedy,
        )


async def _examine(
    config: Config, model: LoadedModel, start_engine: EngineStarter
) -> Finding:
    finding = await _generate(config, model, start_engine)
    # vLLM's closed engine lies in a reference cycle. Left there, it is finalised when
    # the interpreter ends, which fails with a traceback on stderr.
    gc.collect()
    return finding


async def _generate(
    config: Config, model: LoadedModel, start_engine: EngineStarter
) -> Finding:
    began = time.perf_counter()
    engine = await start_engine(config, model, StartProgress({}))
    try:
        started = time.perf_counter()
        request = GenerationRequest(
            request_id="doctor",
            token_ids=model.tokenizer.encode(_CODE),
            max_tokens=1,
        )
        tokens = 0
        async with contextlib.aclosing(engine.generate(request)) as deltas:
            async for delta in deltas:
                tokens += len(delta.token_ids)
        ended = time.perf_counter()
        info = engine.info
    finally:
        await engine.close()
    if not tokens:
        return Finding(
            name="generation",
            level=Level.FAILURE,
            what=f"{_describe(info)} started, and gave no token",
            remedy="run `midfill serve --stdio` with MIDFILL_LOG_LEVEL=debug, and look "
            "at its log",
        )
    return Finding(
        name="generation",
        level=Level.OK,
        what=f"{_describe(info)}: started in {started - began:.0f} s, one token in "
        f"{(ended - started) * 1e3:.0f} ms",
    )


def _describe(info: EngineInfo) -> str:
    kernel = f" with {info.kernel}" if info.kernel else ""
    return f"{info.name} {info.version} on {info.device}{kernel}"
