"""One token is generated, with the engine started as the server would start it."""

import asyncio

import pytest

from lsp_server.config import Config, Device, EngineConfig, EngineKind, ScriptConfig
from lsp_server.doctor.finding import Level
from lsp_server.doctor.generation import check_generation
from lsp_server.engine.base import Engine
from lsp_server.engine.scripted_engine import Script, ScriptedEngine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.errors import EngineStartError
from lsp_server.service.loaded_model import LoadedModel, load_model
from lsp_server.service.local_backend import starter_of
from lsp_server.values import EngineInfo, EngineState

SCRIPTED = Config(engine=EngineConfig(kind=EngineKind.SCRIPTED))


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """The shipped model, without its weights."""
    return load_model("midfill-starter-88m", Device.CPU)


def test_a_token_is_ok(model: LoadedModel) -> None:
    """The engine and both durations are told."""
    config = Config(engine=SCRIPTED.engine, scripted=ScriptConfig(text="a + b"))
    finding = check_generation(config, model, starter_of(EngineKind.SCRIPTED))
    assert Level.OK is finding.level
    assert "scripted" in finding.what
    assert "one token in" in finding.what


def test_an_engine_without_an_answer_fails(model: LoadedModel) -> None:
    """No token is no completion."""
    config = Config(engine=SCRIPTED.engine, scripted=ScriptConfig(text=""))
    finding = check_generation(config, model, starter_of(EngineKind.SCRIPTED))
    assert Level.FAILURE is finding.level
    assert "no token" in finding.what
    assert finding.remedy


def test_an_engine_that_does_not_start_fails(model: LoadedModel) -> None:
    """The error's own words are the finding."""

    async def start(
        _config: Config, _model: LoadedModel, _progress: StartProgress
    ) -> Engine:
        raise EngineStartError("no room", subject="engine", remedy="make room")

    finding = check_generation(SCRIPTED, model, start)
    assert (Level.FAILURE, "engine: no room", "make room") == (
        finding.level,
        finding.what,
        finding.remedy,
    )


class KernelEngine(ScriptedEngine):
    """A scripted engine that tells its kernel, as vLLM does."""

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(
            name="vllm", version="9", device="cpu", max_model_len=64, kernel="Fast"
        )


@pytest.mark.parametrize(
    ("die_after_requests", "level", "told"),
    [(0, Level.OK, "vllm 9 on cpu with Fast"), (1, Level.FAILURE, "failed")],
)
def test_the_engine_is_closed(
    model: LoadedModel, die_after_requests: int, level: Level, told: str
) -> None:
    """One token is asked for, and the engine is ended, also where it failed."""
    engine = KernelEngine(
        Script(answer_ids=(1, 2, 3), die_after_requests=die_after_requests)
    )

    async def start(
        _config: Config, _model: LoadedModel, _progress: StartProgress
    ) -> Engine:
        return engine

    finding = check_generation(SCRIPTED, model, start)
    assert level is finding.level
    assert told in finding.what
    assert [1] == [request.max_tokens for request in engine.requests]
    assert EngineState.CLOSED is asyncio.run(engine.health()).state
