"""The model's files are checked, and a line is completed as the server would."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.config import (
    SHIPPED_MODEL,
    CompletionConfig,
    Config,
    Device,
    EngineConfig,
    EngineKind,
    ModelConfig,
    ScriptConfig,
)
from lsp_server.doctor.findings import Level
from lsp_server.doctor.model import check_generation, check_model, try_model
from lsp_server.engine.base import Engine
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineInfo, EngineState
from lsp_server.errors import EngineStartError
from lsp_server.modelstore.locate import locate
from lsp_server.service.engine_start import starter_of
from lsp_server.service.loaded_model import LoadedModel, load_model

SCRIPTED = Config(engine=EngineConfig(kind=EngineKind.SCRIPTED))


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """The shipped model, without its weights."""
    return load_model(SHIPPED_MODEL, Device.CPU)


def scripted(text: str, **settings: object) -> Config:
    """Make a configuration whose engine answers ``text``."""
    return replace(SCRIPTED, scripted=ScriptConfig(text=text), **settings)  # type: ignore[arg-type]  # sections by their names


@pytest.mark.parametrize(
    ("text", "level", "expected_text"),
    [
        ("first + second\n", Level.OK, "completed a line with"),
        ("    \n\n", Level.WARNING, "would be shown (The model wrote nothing"),
        # A lone end token is no completion.
        ("", Level.FAILURE, "wrote nothing (The model ended at once"),
    ],
)
def test_a_line_is_completed(
    model: LoadedModel, text: str, level: Level, expected_text: str
) -> None:
    """An answer that would not be shown is a warning, and none at all a failure."""
    start = starter_of(EngineKind.SCRIPTED)
    finding = check_generation(scripted(text), model, start)
    assert level is finding.level
    assert finding.what.startswith("scripted")
    assert expected_text in finding.what
    assert bool(finding.remedy) == (level is not Level.OK)


def test_settings_without_room_for_a_prompt_fail(model: LoadedModel) -> None:
    """The cursor is completed with the real limits, not with one token."""
    config = scripted("x", completion=CompletionConfig(max_line_tokens=2047))
    finding = check_generation(config, model, starter_of(EngineKind.SCRIPTED))
    assert Level.FAILURE is finding.level
    assert "no room for code" in finding.what


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


def test_a_model_that_is_not_sure_of_the_line_can_complete(model: LoadedModel) -> None:
    """What it wrote would not be shown by itself, and yet everything works."""
    ids = model.tokenizer.encode("first + second")
    script = Script(answer_ids=ids, probabilities=((0.05,) * len(ids),))

    async def start(
        _config: Config, _model: LoadedModel, _progress: StartProgress
    ) -> Engine:
        return ScriptedEngine(script)

    finding = check_generation(SCRIPTED, model, start)
    assert Level.OK is finding.level
    assert "completed a line with" in finding.what


class KernelEngine(ScriptedEngine):
    """A scripted engine that names its kernel, as vLLM does."""

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(
            name="vllm", version="9", device="cpu", max_model_len=2048, kernel="Fast"
        )


@pytest.mark.parametrize(
    ("die_after_requests", "level", "expected_text"),
    [(0, Level.OK, "vllm 9 on cpu with Fast"), (1, Level.FAILURE, "failed")],
)
def test_the_engine_is_closed(
    model: LoadedModel, die_after_requests: int, level: Level, expected_text: str
) -> None:
    """One line is asked for, and the engine is ended, also where it failed."""
    answer = model.tokenizer.encode("first")
    engine = KernelEngine(
        Script(answer_ids=answer, die_after_requests=die_after_requests)
    )

    async def start(
        _config: Config, _model: LoadedModel, _progress: StartProgress
    ) -> Engine:
        return engine

    finding = check_generation(SCRIPTED, model, start)
    assert level is finding.level
    assert expected_text in finding.what
    (request,) = engine.requests
    assert 48 <= request.max_tokens
    assert EngineState.CLOSED is asyncio.run(engine.health()).state


def test_a_whole_model_is_described(model: LoadedModel) -> None:
    """Name, quantisation, family, context and number of files."""
    finding = check_model(model)
    assert Level.OK is finding.level
    for expected_text in (
        SHIPPED_MODEL,
        "4-bit gptq",
        "family midfill",
        "5 files",
    ):
        assert expected_text in finding.what


def test_a_model_that_cannot_be_used_is_a_failure(tmp_path: Path) -> None:
    """A changed file or a missing folder is named, and what to do."""
    folder = Path(shutil.copytree(locate(SHIPPED_MODEL), tmp_path / "model"))
    with (folder / "config.json").open("a", encoding="utf-8") as file:
        file.write("\n")
    for path, expected_text in (
        (folder, "config.json"),
        (tmp_path / "nothing", "nothing"),
    ):
        finding = check_model(try_model(ModelConfig(path=str(path)), Device.CPU))
        assert Level.FAILURE is finding.level
        assert expected_text in finding.what
        assert finding.remedy
