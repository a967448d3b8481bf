"""What the user sees of the engine: a bar, and rarely a message."""

import pytest
from fault_backends import DyingBackend, EchoBackend, LoadingBackend
from piped_editor import Connect, Editor, Json

from lsp_server.engine_values import EngineState

STARTING, RESTARTING = EngineState.STARTING, EngineState.RESTARTING
READY, FAILED = EngineState.READY, EngineState.FAILED


async def steps(editor: Editor) -> list[tuple[object, object, object]]:
    """Return every step of every bar, after everything on its way has come."""
    # The answer to a request for a bar comes before this one, its steps after it.
    for _ in range(2):
        await editor.request("no/such")
    found = []
    for params in editor.reported("$/progress"):
        value = params["value"]
        assert isinstance(value, dict)
        found.append((params["token"], value["kind"], value.get("message")))
    return found


async def begun(connect: Connect, **capabilities: Json) -> tuple[Editor, EchoBackend]:
    """Connect an editor to a backend that loads until it is released."""
    backend = LoadingBackend()
    editor = await connect(backend)
    extra = {"capabilities": capabilities} if capabilities else {}
    await editor.initialize(**extra)
    while backend.listener is None:
        await editor.request("no/such")
    return editor, backend


async def test_a_bar_follows_the_engine(connect: Connect) -> None:
    """It begins once, reports, ends, and a restart gets a bar of its own."""
    editor, backend = await begun(connect)
    backend.tell(STARTING, "half of it")
    backend.tell(READY, "")
    one = "midfill-engine-1"
    assert [
        (one, "begin", "reading the weights"),
        (one, "report", "half of it"),
        (one, "end", "ready"),
    ] == await steps(editor)
    backend.tell(RESTARTING, "gone")
    backend.tell(EngineState.CLOSED, "")
    two = "midfill-engine-2"
    expected = [(two, "begin", "gone"), (two, "end", "closed")]
    assert expected == (await steps(editor))[3:]


async def test_a_bar_that_the_editor_refuses_is_not_shown(connect: Connect) -> None:
    """The editor said no: no steps are sent, and nothing fails."""
    backend = LoadingBackend()
    editor = await connect(backend)
    editor.grants_bars = False
    await editor.initialize()
    asked = await editor.wait(
        lambda m: m.get("method") == "window/workDoneProgress/create"
    )
    backend.tell(STARTING, "more")
    error: Json = {"code": -32603, "message": "no"}
    editor.send({"id": asked["id"], "error": error})
    backend.tell(READY, "")
    assert [] == await steps(editor)
    editor.open("x")
    assert 1 == len(await editor.complete())


@pytest.mark.parametrize("window", [{}, {"workDoneProgress": False}])
async def test_an_editor_without_a_bar_is_not_asked_for_one(
    connect: Connect, window: Json
) -> None:
    """The engine's state counts all the same."""
    editor, backend = await begun(connect, window=window)
    backend.tell(STARTING, "more")
    backend.tell(READY, "")
    editor.open("x")
    assert 1 == len(await editor.complete())
    assert [] == await steps(editor)
    assert [] == [m for m in editor.received if "method" in m and "id" in m]


async def test_the_bar_tells_how_much_is_done(connect: Connect) -> None:
    """Percentages come through; what did not change is not sent again."""
    editor, backend = await begun(connect)
    for percent in (0, 7, 7, 42):
        backend.tell(STARTING, "loading vLLM", percent=percent)
    await steps(editor)
    values = [params["value"] for params in editor.reported("$/progress")]
    reported = [v.get("percentage") for v in values if isinstance(v, dict)]
    assert [None, 0, 7, 42] == reported


DEATH = "Midfill's engine stopped: the engine process ended. It is being started again."


async def test_a_death_is_reported_once(connect: Connect) -> None:
    """The first death pops up; later ones and every return go to the editor's log."""
    editor = await connect(DyingBackend())
    await editor.initialize()
    editor.open("x")
    counts = [len(await editor.complete()) for _ in range(6)]
    assert [0, 1, 0, 1, 0, 1] == counts
    (shown,) = editor.reported("window/showMessageRequest")
    assert {"type": 2, "message": DEATH, "actions": [{"title": "Restart"}]} == shown
    assert [] == editor.reported("window/showMessage")
    logged = [str(params["message"]) for params in editor.reported("window/logMessage")]
    assert 2 == logged.count(DEATH)
    assert 3 == sum("is back" in message for message in logged)


async def test_only_why_it_ended_is_said_of_an_engine(connect: Connect) -> None:
    """The first stage of the start that follows, at 0 %, is no second death."""
    editor, backend = await begun(connect)
    for attempt in (1, 2):
        backend.tell(RESTARTING, f"no memory, {attempt}", restarts=attempt)
        backend.tell(RESTARTING, "verifying the model", percent=0, restarts=attempt)
    backend.tell(READY, "", restarts=2)
    await steps(editor)
    logged = [str(params["message"]) for params in editor.reported("window/logMessage")]
    deaths = [message for message in logged if "stopped" in message]
    assert [1, 2] == [int("no memory, 2" in message) + 1 for message in deaths]
    assert not [message for message in logged if "verifying" in message]


async def test_the_end_of_all_attempts_is_reported(connect: Connect) -> None:
    """It is an error in two sentences, and completions stay empty."""
    editor, backend = await begun(connect)
    backend.tell(FAILED, "too little memory", remedy="close other programs")
    (_, _, last) = (await steps(editor))[-1]
    assert "failed" == last
    (shown,) = editor.reported("window/showMessageRequest")
    assert 1 == shown["type"]
    assert (
        "Midfill offers no completions: too little memory. Close other programs."
        == shown["message"]
    )
    editor.open("x")
    assert [] == await editor.complete()


async def test_an_editor_without_buttons_gets_the_message(connect: Connect) -> None:
    """One that refuses the request is shown the same text in the plain way."""
    editor, backend = await begun(connect)
    editor.answers = False
    backend.tell(FAILED, "too little memory")
    asked = await editor.wait(lambda m: m.get("method") == "window/showMessageRequest")
    error: Json = {"code": -32601, "message": "not known"}
    editor.send({"id": asked["id"], "error": error})
    reported = await editor.wait(lambda m: m.get("method") == "window/showMessage")
    text = "Midfill offers no completions: too little memory."
    assert {"type": 1, "message": text} == reported["params"]


async def test_restart_is_a_button(connect: Connect) -> None:
    """Pressed after the engine was given up, it starts again, and that is all."""
    editor, backend = await begun(connect)
    editor.chooses = "Restart"
    backend.tell(FAILED, "too little memory")
    await steps(editor)
    assert 1 == backend.restarts
    backend.tell(READY, "", restarts=1)
    assert 1 == len(editor.reported("window/showMessageRequest"))


@pytest.mark.parametrize(
    ("title", "action"), [("Show log", "showLog"), ("Run doctor", "runDoctor")]
)
async def test_the_editor_does_what_only_it_can(
    connect: Connect, title: str, action: str
) -> None:
    """An editor that asked for actions gets their buttons, and gets the choice."""
    editor, backend = await begun(connect, experimental={"midfill": {"actions": True}})
    editor.chooses = title
    backend.tell(FAILED, "too little memory")
    await steps(editor)
    (shown,) = editor.reported("window/showMessageRequest")
    titles = [{"title": name} for name in ("Restart", "Show log", "Run doctor")]
    assert titles == shown["actions"]
    assert [{"action": action}] == editor.reported("midfill/action")
    assert 0 == backend.restarts


async def test_texts_are_whole_sentences(connect: Connect) -> None:
    """No doubled full stop, no repetition, nothing of Python's, at most two lines."""
    editor, backend = await begun(connect)
    for what, remedy in (
        ("the engine hung for 9 s", ""),
        ("model: a shard is cut off", "copy it again"),
    ):
        backend.tell(FAILED, what, remedy=remedy)
    await steps(editor)
    for shown in editor.reported("window/showMessageRequest"):
        text = str(shown["message"])
        assert text.endswith(".")
        assert ".." not in text
        assert ". ." not in text
        assert len(text) < 160
