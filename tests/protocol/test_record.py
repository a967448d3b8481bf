"""What is recorded of a session on the user's machine, and what is not."""

import logging
from pathlib import Path
from typing import NamedTuple

import pytest
from fault_backends import EchoBackend, completion
from piped_editor import Connect, Editor

from lsp_server.config import (
    Config,
    EngineConfig,
    EngineKind,
    ScriptConfig,
    TelemetryConfig,
)
from lsp_server.history.events import (
    CutCount,
    RequestEvent,
    SnippetUse,
    SuggestionEvent,
)
from lsp_server.history.store import EventStore, newest_first
from lsp_server.outcomes import CompletionResult, Cut
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.service.engine_start import starter_of
from lsp_server.service.local_backend import LocalBackend
from lsp_server.values import Prompt, Snapshot, Snippet

URI = "file:///home/canary_folder/canary_name.py"
DOCUMENT = "canary_source = 'AKIACANARYCANARY0000'\nx = \n"
WRITTEN = "canary_written + 1"
CANARIES = ("canary", "CANARY")


class Recorded(NamedTuple):
    """A session's record, and all that was written anywhere."""

    requests: list[RequestEvent]
    suggestions: list[SuggestionEvent]
    written: str


def texts_in(folder: Path) -> list[str]:
    """Return every file of a folder."""
    return [each.read_text() for each in folder.rglob("*") if each.is_file()]


async def session(
    connect: Connect,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    telemetry: TelemetryConfig,
) -> Recorded:
    """Complete twice, accept by a change and by a command, and end."""
    caplog.set_level(logging.DEBUG)
    config = Config(
        engine=EngineConfig(kind=EngineKind.SCRIPTED),
        scripted=ScriptConfig(text=WRITTEN + "\n"),
        telemetry=telemetry,
    )
    store = EventStore(folder)
    editor: Editor = await connect(
        LocalBackend(config, starter_of(EngineKind.SCRIPTED)),
        feedback=SuggestionFeedback(store=store),
    )
    await editor.initialize(clientInfo={"name": "an editor"})
    await editor.wait_until_ready()
    editor.open(DOCUMENT, uri=URI)
    (item,) = await editor.complete(1, 4, uri=URI, triggerKind=2)
    place = {"line": 1, "character": 4}
    inserted = {"range": {"start": place, "end": place}, "text": item["insertText"]}
    editor.change(2, inserted, uri=URI)
    end = 4 + len(WRITTEN)
    assert [] == await editor.complete(1, end, uri=URI, triggerKind=2)
    params = {"command": "midfill.accepted", "arguments": item["command"]["arguments"]}  # type: ignore[index]  # JSON
    await editor.request("workspace/executeCommand", params)
    store.close(timeout_s=60)
    events = list(newest_first(folder))
    logged = [str(vars(record)) for record in caplog.records]
    return Recorded(
        requests=[each for each in events if isinstance(each, RequestEvent)],
        suggestions=[each for each in events if isinstance(each, SuggestionEvent)],
        written="\n".join([*texts_in(folder), *logged]),
    )


async def test_counts_are_recorded_and_no_text(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the record, and not in the log: no source, suggestion, secret or path."""
    recorded = await session(connect, tmp_path, caplog, TelemetryConfig())
    quiet, shown = recorded.requests
    assert ("an editor", "python", ".py") == (
        shown.editor,
        shown.language,
        shown.suffix,
    )
    assert (1, 4, "automatic", "shown") == (
        shown.line,
        shown.character,
        shown.trigger,
        shown.outcome,
    )
    assert (len(WRITTEN),) == shown.shown_chars
    assert "decode" in shown.stages_ms
    assert ("empty", "just-accepted") == (quiet.outcome, quiet.reason)
    assert quiet.sentence.endswith(".")
    happened = [(each.event, each.chars) for each in reversed(recorded.suggestions)]
    assert [("shown", len(WRITTEN)), ("accepted", len(WRITTEN))] == happened
    assert {("engine", shown.id)} == {(e.source, e.id) for e in recorded.suggestions}
    for canary in CANARIES:
        assert canary not in recorded.written


async def test_text_is_recorded_where_a_setting_asks(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the model read and wrote; still no path of the document."""
    telemetry = TelemetryConfig(keep_text=True)
    recorded = await session(connect, tmp_path, caplog, telemetry)
    _, shown = recorded.requests
    assert shown.text is not None
    assert "canary_source" in shown.text.prompt
    assert (WRITTEN,) == shown.text.shown
    assert "canary_name" not in recorded.written


async def test_nothing_is_recorded_where_a_setting_says_so(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There is not even a folder."""
    folder = tmp_path / "events"
    recorded = await session(connect, folder, caplog, TelemetryConfig(store=False))
    assert ([], []) == (recorded.requests, recorded.suggestions)
    assert not folder.exists()


class WithSnippet(EchoBackend):
    """Answers as if a snippet of another file had been in the prompt."""

    async def complete(self, snapshot: Snapshot, **_about: object) -> CompletionResult:
        made = completion(snapshot, "done")
        snippet = Snippet(path="lib/b.py", text="canary", score=1, source="open_tabs")
        return CompletionResult(
            completions=(made,),
            prompt=Prompt(token_ids=(65,), stop_token_ids=(), snippets=(snippet,)),
            cuts=(Cut(filter_name="scope", before="canary done", after="done"),),
            timings=made.timings,
            model="starter",
        )


async def test_snippets_and_cuts_are_traced(connect: Connect, tmp_path: Path) -> None:
    """The editor that asks gets their text; the record holds paths and lengths."""
    store = EventStore(tmp_path)
    editor = await connect(WithSnippet(), feedback=SuggestionFeedback(store=store))
    await editor.initialize()
    editor.open("x")
    await editor.complete()
    traced = (await editor.request("midfill/trace", {}))["result"]
    store.close(timeout_s=60)
    assert isinstance(traced, dict)
    snippet = {"path": "lib/b.py", "source": "open_tabs", "chars": 6, "text": "canary"}
    assert [snippet] == traced["snippets"]
    assert ("starter", "engine") == (traced["model"], traced["source"])
    request = next(e for e in newest_first(tmp_path) if isinstance(e, RequestEvent))
    used = SnippetUse(path="lib/b.py", source="open_tabs", chars=6)
    cut = CutCount(filter_name="scope", before_chars=11, after_chars=4)
    assert ((used,), (cut,)) == (request.snippets, request.cuts)
    assert "canary" not in "".join(texts_in(tmp_path))
