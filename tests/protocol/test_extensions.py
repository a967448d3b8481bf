"""An editor tells that an item was accepted, and how much of it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fault_backends import EchoBackend, RaisingBackend, SlowBackend
from own_models import OwnModel
from piped_editor import Connect, Editor, Json, error_code

from lsp_server.completion_config import Eagerness
from lsp_server.config import (
    CompletionConfig,
    Config,
    EngineConfig,
    EngineKind,
    ModelConfig,
    ScriptConfig,
)
from lsp_server.service.engine_start import starter_of
from lsp_server.service.local_backend import LocalBackend

EXECUTE = "workspace/executeCommand"
COMMAND = "midfill.accepted"
ALWAYS = Eagerness.ALWAYS
OpenScript = Callable[..., Awaitable[Editor]]


async def test_an_items_own_command_is_logged_with_counts(
    editor: Editor, backend: EchoBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """The editor sends the command back as it came; parts of an item count so far."""
    caplog.set_level(logging.INFO)
    editor.open("x")
    (item,) = await editor.complete()
    command = item["command"]
    assert isinstance(command, dict)
    assert ("Midfill: accepted", COMMAND) == (command["title"], command["command"])
    assert [{"id": "c", "acceptedChars": 4}] == command["arguments"]
    for chars in (2, 4, 9):
        params = {
            "command": COMMAND,
            "arguments": [{"id": "c", "acceptedChars": chars}],
        }
        assert (await editor.request(EXECUTE, params))["result"] is None
    accepted = [vars(r) for r in caplog.records if r.msg == "completion.accepted"]
    assert [2, 4, 4] == [each["accepted_chars"] for each in accepted]
    assert {("c", 4)} == {(e["request_id"], e["offered_chars"]) for e in accepted}
    assert 1 == len(backend.snapshots)


async def accept_all(editor: Editor, item: Json, version: int) -> None:
    """Put an item of line 0 in, and run its command as editors do."""
    change = {"range": item["range"], "text": item["insertText"]}
    editor.change(version, change)
    command = item["command"]
    assert isinstance(command, dict)
    params = {"command": COMMAND, "arguments": command["arguments"]}
    assert (await editor.request(EXECUTE, params))["result"] is None


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quiet", [True, False])
async def test_right_after_an_accept_nothing_comes_by_itself(
    scripted: OpenScript, line_end: str, *, quiet: bool
) -> None:
    """Whoever asks by hand gets an answer there, and the next key brings one."""
    editor = await scripted("ab + \n", suggest_after_accept=not quiet, eagerness=ALWAYS)
    editor.open(f"x = {line_end}y = {line_end}")
    (item,) = await editor.complete(0, 4, triggerKind=2)
    await accept_all(editor, item, 2)
    end = 4 + len(str(item["insertText"]))
    assert quiet is not bool(await editor.complete(0, end, triggerKind=2))
    if quiet:
        assert "accepted here" in (await trace(editor))["reason"]
    assert await editor.complete(1, 4, triggerKind=2), "at another place"
    assert await editor.complete(0, end)
    place = {"line": 0, "character": end}
    editor.change(3, {"range": {"start": place, "end": place}, "text": " "})
    assert await editor.complete(0, end + 1, triggerKind=2)


async def test_an_unknown_id_is_accepted_quietly(
    editor: Editor, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be of an earlier server; what it says is not logged."""
    caplog.set_level(logging.DEBUG)
    params = {"command": COMMAND, "arguments": [{"id": "se cret", "acceptedChars": 3}]}
    assert (await editor.request(EXECUTE, params))["result"] is None
    assert "se cret" not in "".join(str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    "params",
    [
        {"command": "midfill.other", "arguments": []},
        {"command": COMMAND},
        {"command": COMMAND, "arguments": []},
        {"command": COMMAND, "arguments": [None]},
        {"command": COMMAND, "arguments": ["c", 3]},
        {"command": COMMAND, "arguments": [{"id": "c"}]},
        {"command": COMMAND, "arguments": [{"id": 3, "acceptedChars": 3}]},
        {"command": COMMAND, "arguments": [{"id": "c", "acceptedChars": -1}]},
        {"command": COMMAND, "arguments": [{"id": "c", "acceptedChars": True}]},
        {"command": COMMAND, "arguments": [{"id": "c", "acceptedChars": "3"}]},
    ],
)
async def test_a_command_that_does_not_fit_is_a_clear_error(
    editor: Editor, params: Json
) -> None:
    """The reply names the command, and the next request is answered."""
    reply = await editor.request(EXECUTE, params)
    assert -32602 == error_code(reply)
    error = reply["error"]
    assert isinstance(error, dict)
    assert str(params["command"]) in str(error["message"])
    editor.open("x")
    assert 1 == len(await editor.complete())


TRACE = "midfill/trace"


async def trace(editor: Editor) -> dict[str, Any]:
    """Ask for the trace of the last request."""
    result = (await editor.request(TRACE, {}))["result"]
    assert isinstance(result, dict)
    return result


@pytest.fixture
async def scripted(connect: Connect) -> OpenScript:
    """Connect to a server that plays a script with the shipped model's prompts."""

    async def open_script(
        text: str,
        *,
        model: ModelConfig | None = None,
        delay_ms: int = 0,
        **completion: object,
    ) -> Editor:
        config = Config(
            model=model or ModelConfig(),
            engine=EngineConfig(kind=EngineKind.SCRIPTED),
            scripted=ScriptConfig(text=text, token_delay_ms=delay_ms),
            completion=CompletionConfig(**completion),  # type: ignore[arg-type]  # the tests name what there is
        )
        editor = await connect(LocalBackend(config, starter_of(EngineKind.SCRIPTED)))
        await editor.initialize()
        await editor.wait_until_ready()
        return editor

    return open_script


async def test_before_a_request_there_is_nothing(editor: Editor) -> None:
    """The reply is null; a notification of that name is refused and does no harm."""
    assert (await editor.request(TRACE, {}))["result"] is None
    editor.notify(TRACE, {})
    editor.open("x")
    assert 1 == len(await editor.complete())


async def test_a_shown_completion_is_reported_whole(
    scripted: OpenScript, own_model: OwnModel
) -> None:
    """What the model read, what it wrote, what was cut of it, and what it cost."""
    editor = await scripted("1 + 2\nand more\n", model=own_model.setting, candidates=1)
    editor.open("é = 0\nx = \n")
    (item,) = await editor.complete(1, 4)
    reported = await trace(editor)
    assert ("1 + 2", ["1 + 2"]) == (item["insertText"], reported["shown"])
    assert ("shown", None) == (reported["outcome"], reported["reason"])
    assert (1, 4, "invoked", "line") == tuple(
        reported[key] for key in ("line", "character", "trigger", "scope")
    )
    assert own_model.fill("é = 0\nx =", "\n") == reported["prompt"]
    assert [" 1 + 2\n"] == reported["generated"]
    assert [{"filter": "scope", "before": "1 + 2\n", "after": "1 + 2"}] == reported[
        "cuts"
    ]
    assert reported["promptTokens"] > 8
    assert reported["outputTokens"] > 3
    assert 0 < reported["ttftMs"] <= reported["totalMs"]
    assert {"requestId", "uri", "cachedTokens"} <= set(reported)


@pytest.mark.parametrize(
    ("text", "document", "settings", "sentence"),
    [
        ("1\n", "x = \n", {"enabled": False}, "switched off"),
        ("1\n", "x = \n", {"disabled_languages": "lua python"}, "this language"),
        ("1\n", "x = \n", {"max_document_chars": 3}, "larger"),
        ("1\n", "x = \n", {"max_line_chars": 3}, "line is longer"),
        ("1\n", "x = \0\n", {}, "zero byte"),
        ("", "x = \n", {}, "had nothing to add"),
        ("  \n", "x = \n", {}, "nothing but blanks"),
        ("x = y = z", "x = y = z\nx = \n", {}, "line above again"),
    ],
)
async def test_why_nothing_is_shown(
    scripted: OpenScript,
    text: str,
    document: str,
    settings: dict[str, object],
    sentence: str,
) -> None:
    """Each reason is a sentence for the user."""
    editor = await scripted(text.removeprefix("x = "), **settings)
    editor.open(document)
    line = document.count("\n") - 1
    assert [] == await editor.complete(line, 4)
    reported = await trace(editor)
    assert ("empty", []) == (reported["outcome"], reported["shown"])
    assert sentence in reported["reason"]
    assert reported["reason"][0].isupper()
    assert reported["reason"].endswith((".", ")."))


async def test_an_unwelcome_place_is_reported(scripted: OpenScript) -> None:
    """An automatic request inside of a word gets nothing, and the user can see why."""
    editor = await scripted("1\n")
    editor.open("total\n")
    assert [] == await editor.complete(0, 2, triggerKind=2)
    reported = await trace(editor)
    assert ("automatic", None, "") == (
        reported["trigger"],
        reported["scope"],
        reported["prompt"],
    )
    assert "in the way" in reported["reason"]


async def test_a_missed_deadline_is_reported(scripted: OpenScript) -> None:
    """Where not one token came in time, that is the reason."""
    editor = await scripted("1\n", delay_ms=600_000, deadline_ms=3_000)
    editor.open("x = \n")
    assert [] == await editor.complete(0, 4)
    assert "in time" in (await trace(editor))["reason"]


async def test_a_superseded_request_is_reported(connect: Connect) -> None:
    """Its outcome says so."""
    editor = await connect(SlowBackend())
    await editor.initialize()
    editor.open("abc")
    asked = editor.ask_completion(0, 3)
    editor.change(2, {"text": "other"})
    await editor.items(asked)
    assert "superseded" == (await trace(editor))["outcome"]


async def test_a_cancelled_request_is_reported(connect: Connect) -> None:
    """Its outcome says so."""
    backend = SlowBackend()
    editor = await connect(backend)
    await editor.initialize()
    editor.open("abc")
    asked = editor.ask_completion(0, 3)
    await backend.begun.acquire()
    editor.notify("$/cancelRequest", {"id": asked})
    assert -32800 == error_code(await editor.reply(asked))
    assert "cancelled" == (await trace(editor))["outcome"]


async def test_a_failure_is_reported(connect: Connect) -> None:
    """A bug in one request is seen in its trace."""
    editor = await connect(RaisingBackend())
    await editor.initialize()
    editor.open("bug")
    await editor.reply(editor.ask_completion())
    assert "failed" == (await trace(editor))["outcome"]


async def test_documents_that_get_nothing_are_reported(editor: Editor) -> None:
    """One that was never opened, or is out of step, is reported as such."""
    assert [] == await editor.complete(uri="file:///nowhere/else.py")
    reported = await trace(editor)
    assert "file:///nowhere/else.py" == reported["uri"]
    assert "as the editor has it" in reported["reason"]


async def test_no_text_of_a_trace_is_logged(
    connect: Connect, backend: EchoBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes to the editor that asked, and nowhere else."""
    caplog.set_level(logging.DEBUG)
    editor = await connect(backend)
    await editor.initialize()
    editor.open("canary")
    await editor.complete()
    assert ["done"] == (await trace(editor))["shown"]
    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "canary" not in logged
    assert "done" not in logged
