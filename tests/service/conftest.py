"""A service on the scripted engine and the shipped model's real tokenizer."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from counted_engines import CountedStarts

from lsp_server.config import SHIPPED_MODEL, CompletionConfig, PromptConfig
from lsp_server.context.window import LineWindows
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.metrics import Metrics
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.manifest import ConfidenceLevels, load_manifest
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.families import find_family
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.service.completion import CompletionService
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.gate import Gate
from lsp_server.service.privacy import Privacy
from lsp_server.values import Snapshot

MODEL = shipped_models()[SHIPPED_MODEL]

MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]
PassTime = Callable[[float], None]


@pytest.fixture(scope="session")
def tokenizer() -> FastTokenizer:
    """The shipped model's tokenizer."""
    return FastTokenizer(MODEL)


@pytest.fixture
def make_service(tokenizer: FastTokenizer) -> MakeService:
    """Make a service whose engine answers every request with a text."""

    def make(
        text: str,
        *,
        further: Sequence[str] = (),
        probabilities: tuple[tuple[float, ...], ...] = (),
        confidence: Mapping[str, ConfidenceLevels] | None = None,
        config: CompletionConfig | None = None,
        token_delay_ms: int = 0,
        die_after_requests: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        metrics: Metrics | None = None,
        gate: Gate | None = None,
        privacy: Privacy | None = None,
    ) -> tuple[CompletionService, ScriptedEngine]:
        engine = ScriptedEngine(
            Script(
                answer_ids=tokenizer.encode(text),
                further_ids=tuple(map(tokenizer.encode, further)),
                probabilities=probabilities,
                token_delay_ms=token_delay_ms,
                die_after_requests=die_after_requests,
            ),
            sleep=sleep,
        )
        prompt = PromptConfig()
        service = CompletionService(
            engine=engine,
            tokenizer=tokenizer,
            prompts=PromptBuilder(
                tokenizer=tokenizer,
                family=find_family(load_manifest(MODEL).family),
                config=prompt,
                max_model_len=2048,
                windows=LineWindows(
                    encode=tokenizer.encode,
                    step_lines=prompt.step_lines,
                    suffix_lines=prompt.suffix_lines,
                ),
            ),
            config=config or CompletionConfig(),
            model="test-model",
            metrics=metrics,
            gate=gate,
            confidence=confidence or {},
            privacy=privacy,
        )
        return service, engine

    return make


@pytest.fixture
async def pass_time() -> AsyncGenerator[PassTime]:
    """Set the loop's clock forward by some seconds: what was to happen then is due."""
    loop = asyncio.get_running_loop()
    clock, ahead_s = loop.time, 0.0

    def skip(seconds: float) -> None:
        nonlocal ahead_s
        ahead_s += seconds

    loop.time = lambda: clock() + ahead_s  # type: ignore[method-assign]  # a test's clock
    yield skip
    loop.time = clock  # type: ignore[method-assign]  # as it was


@pytest.fixture(autouse=True)
def patient_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every candidate parsed, however busy the machine is."""
    monkeypatch.setattr("lsp_server.service.ranking._PARSE_LIMIT_S", 60.0)


@pytest.fixture
def at_cursor() -> Callable[[str], Snapshot]:
    """Make a snapshot of a Python text whose cursor is written as a bar."""

    def make(marked: str) -> Snapshot:
        before, after = marked.split("|")
        return Snapshot(
            uri="file:///project/a.py",
            language_id="python",
            version=1,
            text=before + after,
            offset=len(before),
        )

    return make


@pytest.fixture
def starts() -> CountedStarts:
    """Count the engines of a pool."""
    return CountedStarts()


@pytest.fixture
async def pool(starts: CountedStarts) -> AsyncGenerator[EnginePool]:
    """Make a pool of at most one engine."""
    made = EnginePool(starts.starter_of, max_engines=1)
    yield made
    await made.close()
