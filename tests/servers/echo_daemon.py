"""The daemon with an engine that answers each request with what its prompt says.

A prompt holds marks such as ``c17r0423``; the answer is the last one, in quotes. So
every answer proves whose it is.
"""

import asyncio
import random
import re
import sys
from collections.abc import AsyncGenerator

from lsp_server.config import Config, LogLevel
from lsp_server.daemon.endpoint import find_endpoint
from lsp_server.daemon.lock import DaemonLock
from lsp_server.daemon.process import Daemon
from lsp_server.engine.base import Engine
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.outcomes import OverloadStep
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging
from lsp_server.values import FinishReason, GenerationRequest, TokenDelta

MARK = re.compile("c[0-9]+r[0-9]+")
LONGEST_PAUSE_S = 0.004


class EchoEngine(ScriptedEngine):
    """Answers with the prompt's last mark, at a random pace."""

    def __init__(self, tokenizer: FastTokenizer, max_model_len: int) -> None:
        super().__init__(Script(answer_ids=(), max_model_len=max_model_len))
        self._tokenizer = tokenizer
        self._chance = random.Random(64)  # noqa: S311 - the pace of a test

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        mark = MARK.findall(self._tokenizer.spell(request.token_ids))[-1]
        held = request.hold.typed_ids if request.hold else ()
        for token_id in (*held, *self._tokenizer.encode(f'"{mark}"\n')):
            await asyncio.sleep(self._chance.uniform(0, LONGEST_PAUSE_S))
            yield TokenDelta(token_ids=(token_id,))
        yield TokenDelta(token_ids=(), finish_reason=FinishReason.STOP)


class ReadyLine:
    """Writes a line on stdout when the engine is ready."""

    def engine_changed(self, news: EngineNews) -> None:
        if news.state is EngineState.READY:
            sys.stdout.write("ready\n")
            sys.stdout.flush()

    def overload_changed(self, step: OverloadStep) -> None:
        """Not of interest here."""


async def start(config: Config, model: LoadedModel, progress: StartProgress) -> Engine:
    """Start the engine."""
    del config, progress
    return EchoEngine(model.tokenizer, model.manifest.context_length)


async def serve(config: Config) -> None:
    """Be the daemon until it is stopped."""
    endpoint = find_endpoint()
    lock = DaemonLock.take(endpoint.lock_path)
    assert lock is not None
    lock.hold()
    pool = EnginePool(lambda _: start, max_engines=1, admission=config.admission)
    lease = pool.acquire(config)
    lease.host.attach(ReadyLine())
    await Daemon(config.daemon, endpoint, pool, on_end=lease.release).serve()


if __name__ == "__main__":
    configure_logging(LogLevel.WARNING, sys.stderr)
    asyncio.run(serve(resolve(server_layers(None)).config))
