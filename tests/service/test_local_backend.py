"""A backend loads behind the editor's back, and tells how that goes."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from news_listener import Listener

from lsp_server.config import (
    SHIPPED_MODEL,
    CompletionConfig,
    Config,
    EngineConfig,
    EngineKind,
    ModelConfig,
    RegistryConfig,
    ScriptConfig,
)
from lsp_server.engine.base import Engine
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineState
from lsp_server.modelstore.locate import shipped_models
from lsp_server.outcomes import Completion
from lsp_server.project.provider import (
    CursorRested,
    DocumentClosed,
    DocumentEdited,
    DocumentOpened,
)
from lsp_server.service.engine_start import starter_of
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.service.local_backend import LocalBackend
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Priority, Snapshot, Trigger

CONFIG = Config(
    engine=EngineConfig(kind=EngineKind.SCRIPTED), scripted=ScriptConfig(text="1\n")
)
End: TypeAlias = Callable[[], None]
START = starter_of(EngineKind.SCRIPTED)
SNAPSHOT = Snapshot(
    uri="file:///a.py", language_id="python", version=1, text="x = \n", offset=4
)


async def ask(backend: LocalBackend) -> tuple[Completion, ...]:
    """Ask the backend at the snapshot's cursor."""
    result = await backend.complete(
        SNAPSHOT, request_id="r1", trigger=Trigger.INVOKED, typed=TypedAhead()
    )
    return result.completions


async def test_it_starts_completes_and_ends() -> None:
    """Nothing before it is ready, completions then, nothing after the end."""
    backend, listener = LocalBackend(CONFIG, START), Listener()
    assert () == await ask(backend)
    await backend.start(listener)
    assert EngineState.STARTING is listener.received[0].state
    await listener.until(EngineState.READY)
    (completion,) = await ask(backend)
    assert "1" == completion.text
    await backend.close()
    await backend.close()
    assert () == await ask(backend)
    assert EngineState.CLOSED is listener.received[-1].state


async def test_changed_settings_hold_for_the_next_request() -> None:
    """Completion settings need no restart."""
    backend, listener = LocalBackend(CONFIG, START), Listener()
    await backend.start(listener)
    await listener.until(EngineState.READY)
    backend.configure(replace(CONFIG, completion=CompletionConfig(enabled=False)))
    assert () == await ask(backend)
    backend.configure(CONFIG)
    assert 1 == len(await ask(backend))
    await backend.close()


async def test_settings_before_the_model_is_there_are_kept() -> None:
    """An editor may change settings while the model still loads."""
    backend, listener = LocalBackend(CONFIG, START), Listener()
    backend.configure(replace(CONFIG, completion=CompletionConfig(enabled=False)))
    await backend.start(listener)
    await listener.until(EngineState.READY)
    assert () == await ask(backend)
    await backend.close()


async def test_a_missing_model_is_reported(tmp_path: Path) -> None:
    """A model that is not there fails the start with a sentence, not a traceback."""
    config = replace(CONFIG, model=ModelConfig(path=str(tmp_path / "none")))
    backend, listener = LocalBackend(config, START), Listener()
    await backend.start(listener)
    news = await listener.until(EngineState.FAILED)
    assert str(tmp_path / "none") in news.what
    assert SHIPPED_MODEL in news.remedy
    await backend.close()


async def test_a_pulled_model_is_found_by_its_name(tmp_path: Path) -> None:
    """The folder of pulled models is that of the settings."""
    shipped = shipped_models()[SHIPPED_MODEL]
    shutil.copytree(shipped, tmp_path / "pulled" / "mine")
    config = replace(
        CONFIG,
        model=ModelConfig(path="mine"),
        registry=RegistryConfig(folder=str(tmp_path / "pulled")),
    )
    backend, listener = LocalBackend(config, START), Listener()
    await backend.start(listener)
    await listener.until(EngineState.READY)
    await backend.close()


async def test_a_changed_file_is_reported(tmp_path: Path) -> None:
    """A model whose file is not the one of the manifest is not loaded."""
    shipped = shipped_models()[SHIPPED_MODEL]
    folder = tmp_path / "model"
    shutil.copytree(shipped, folder)
    with (folder / "tokenizer_config.json").open("a") as file:
        file.write(" ")
    config = replace(CONFIG, model=ModelConfig(path=str(folder)))
    backend, listener = LocalBackend(config, START), Listener()
    await backend.start(listener)
    news = await listener.until(EngineState.FAILED)
    assert "tokenizer_config.json" in news.what
    await backend.close()


async def test_an_unforeseen_error_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a bug while loading reaches the user."""

    def broken(*_: object, **_options: object) -> LoadedModel:
        raise ZeroDivisionError

    monkeypatch.setattr("lsp_server.service.engine_host.load_model", broken)
    backend, listener = LocalBackend(CONFIG, START), Listener()
    await backend.start(listener)
    assert "log" in (await listener.until(EngineState.RESTARTING)).remedy
    await backend.close()


async def test_it_can_be_closed_while_it_loads() -> None:
    """A close takes a start back, wherever it stands."""
    begun = asyncio.Event()

    async def endless(
        _config: Config, _model: LoadedModel, _progress: StartProgress
    ) -> Engine:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    backend, listener = LocalBackend(CONFIG, endless), Listener()
    await backend.start(listener)
    await begun.wait()
    await backend.close()
    assert EngineState.CLOSED is listener.received[-1].state


async def test_it_can_be_closed_before_it_starts() -> None:
    """An editor may leave before anything was started."""
    backend = LocalBackend(CONFIG, START)
    await backend.close()
    assert () == await ask(backend)


async def test_an_edit_ends_what_is_generated_ahead() -> None:
    """It is the document's text that counts; a change of settings ends it too."""
    engines: list[ScriptedEngine] = []

    async def never_ahead(_seconds: float) -> None:
        if engines[0].requests[-1].priority is Priority.SPECULATIVE:
            await asyncio.Event().wait()

    async def start(
        _config: Config, model: LoadedModel, _progress: StartProgress
    ) -> Engine:
        script = Script(answer_ids=model.tokenizer.encode("1\n"))
        engines.append(ScriptedEngine(script, sleep=never_ahead))
        return engines[0]

    config = replace(CONFIG, completion=CompletionConfig(speculation=True))
    backend, listener = LocalBackend(config, start), Listener()
    await backend.start(listener)
    await listener.until(EngineState.READY)
    uri = "untitled:a"
    endings: dict[str, End] = {
        "edit": lambda: backend.project_changed(DocumentEdited(uri=uri)),
        "settings": lambda: backend.configure(config),
        "closing": lambda: backend.project_changed(DocumentClosed(uri=uri)),
    }
    after = replace(SNAPSHOT, uri=uri, text="y", offset=0)
    backend.project_changed(DocumentOpened(uri=uri, read=lambda: after))
    for name, end in endings.items():
        before = replace(SNAPSHOT, uri=uri, text=f"{name} = \n", offset=len(name) + 3)
        await backend.complete(
            before, request_id=name, trigger=Trigger.AUTOMATIC, typed=TypedAhead()
        )
        await until_in_flight(engines[0], 1)
        end()
        await until_in_flight(engines[0], 0)
        assert f"{name}.ahead" in engines[0].aborted
    await backend.close()


async def test_a_cursor_that_rests_has_its_prompt_read() -> None:
    """Not before there is an engine, and not where completions are off."""
    engines: list[ScriptedEngine] = []

    async def start(
        _config: Config, model: LoadedModel, _progress: StartProgress
    ) -> Engine:
        script = Script(answer_ids=model.tokenizer.encode("1\n"))
        engines.append(ScriptedEngine(script))
        return engines[0]

    backend, listener = LocalBackend(CONFIG, start), Listener()
    off = replace(CONFIG, completion=CompletionConfig(enabled=False))

    def rest(number: int) -> None:
        at = replace(SNAPSHOT, uri="untitled:a", text=f"x = \ny = {number}\n")
        backend.project_changed(CursorRested(cursor=at, request_id=f"c{number}"))

    rest(0)
    await backend.start(listener)
    await listener.until(EngineState.READY)
    backend.configure(off)
    rest(1)
    backend.configure(CONFIG)
    rest(2)
    async with asyncio.timeout(60):
        while not engines[0].requests:  # noqa: ASYNC110 - only loop turns, no time, is waited for
            await asyncio.sleep(0)
    assert ["c2.read"] == [each.request_id for each in engines[0].requests]
    await backend.close()


async def until_in_flight(engine: ScriptedEngine, count: int) -> None:
    """Wait until so many requests are in an engine."""
    async with asyncio.timeout(60):
        while (await engine.health()).requests_in_flight != count:  # noqa: ASYNC110 - only loop turns, no time, is waited for
            await asyncio.sleep(0)
