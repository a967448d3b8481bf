"""``midfill/status``: what a status bar shows, for editors that asked for it."""

import asyncio

from fault_backends import EchoBackend, FixedConfigurator, LoadingBackend, SlowBackend
from piped_editor import Connect, Editor, Json

from lsp_server.engine_values import EngineState
from lsp_server.outcomes import OverloadStep
from lsp_server.protocol.status import Status

ASKS: Json = {"experimental": {"midfill": {"status": True}}}
URI = "file:///nowhere/a.py"


async def introduced(connect: Connect, backend: EchoBackend) -> Editor:
    """Connect an editor that shows a status."""
    editor = await connect(backend)
    await editor.initialize(capabilities=ASKS)
    while backend.listener is None:
        await editor.request("no/such")
    return editor


async def statuses(editor: Editor) -> list[Json]:
    """Everything that was reported until now."""
    await editor.request("no/such")
    return editor.reported("midfill/status")


async def reported_state(editor: Editor, state: str) -> Json:
    """Wait until a state is reported, and return what comes with it."""
    reported = await editor.wait(
        lambda m: (
            m.get("method") == "midfill/status"
            and isinstance(m["params"], dict)
            and m["params"]["state"] == state
        )
    )
    assert isinstance(reported["params"], dict)
    return reported["params"]


async def test_a_start_a_death_and_a_return(connect: Connect) -> None:
    """Each state has what the editor shows of it, and is sent once."""
    backend = LoadingBackend()
    editor = await introduced(connect, backend)
    backend.tell(EngineState.STARTING, "loading vLLM", percent=42)
    backend.tell(EngineState.STARTING, "loading vLLM", percent=42)
    backend.tell(EngineState.READY, "")
    backend.tell(EngineState.RESTARTING, "it hung", restarts=1)
    backend.tell(EngineState.READY, "", restarts=1)
    where = {"model": "m", "device": "cpu"}
    ready = {"state": "ready", "message": "Ready: m on cpu.", **where}
    assert [
        {"state": "loading", "message": "Loading: loading vLLM.", "percent": 42},
        ready,
        {
            "state": "restarting",
            "message": "Restarting: it hung.",
            "percent": 0,
            "restarts": 1,
        },
        {**ready, "restarts": 1},
    ] == (await statuses(editor))[1:]


async def test_a_failure_says_what_to_do(connect: Connect) -> None:
    """The remedy is there also where the engine has none to offer."""
    backend = LoadingBackend()
    editor = await introduced(connect, backend)
    backend.tell(EngineState.FAILED, "no memory", remedy="close other programs")
    backend.tell(EngineState.FAILED, "it broke")
    error = {"state": "error"}
    assert [
        {
            **error,
            "message": "No completions: no memory.",
            "remedy": "close other programs",
        },
        {
            **error,
            "message": "No completions: it broke.",
            "remedy": "see the server's log",
        },
    ] == (await statuses(editor))[1:]


async def test_who_did_not_ask_is_not_notified(connect: Connect) -> None:
    """Editors log what they do not know, so they are not sent it."""
    editor = await connect(EchoBackend())
    await editor.initialize()
    editor.open("x")
    assert 1 == len(await editor.complete())
    assert [] == await statuses(editor)


async def test_a_long_completion_is_shown_as_work(connect: Connect) -> None:
    """Busy while it is generated, ready afterwards."""
    backend = SlowBackend()
    editor = await introduced(connect, backend)
    editor.open("x")
    asked = editor.ask_completion()
    busy = await editor.wait(
        lambda m: (
            m.get("method") == "midfill/status"
            and isinstance(m["params"], dict)
            and m["params"]["state"] == "busy"
        )
    )
    assert {
        "state": "busy",
        "message": "Completing.",
        "model": "m",
        "device": "cpu",
    } == busy["params"]
    backend.release.set()
    await editor.reply(asked)
    assert "ready" == (await statuses(editor))[-1]["state"]


async def test_a_short_completion_is_not(connect: Connect) -> None:
    """What takes less than a tenth of a second is not worth a change."""
    editor = await introduced(connect, EchoBackend())
    editor.open("x")
    assert 1 == len(await editor.complete())
    assert ["loading", "ready"] == [s["state"] for s in await statuses(editor)]


async def test_switched_off_for_all_documents(connect: Connect) -> None:
    """Reported at the start, and taken back when the settings change."""
    backend = EchoBackend()
    backend.offers = False
    editor = await connect(configurator=FixedConfigurator(lambda: backend))
    await editor.initialize(capabilities=ASKS)
    off = await reported_state(editor, "off")
    assert "uri" not in off
    assert "completion.enabled" in str(off["reason"])
    backend.offers = True
    editor.notify("workspace/didChangeConfiguration", {"settings": {"a": 1}})
    assert await reported_state(editor, "ready")


async def test_a_document_that_is_out_of_step_is_off_alone(connect: Connect) -> None:
    """The status names it and says why; the others go on."""
    editor = await introduced(connect, EchoBackend())
    editor.open("x")
    editor.notify("textDocument/didChange", {"textDocument": {"uri": URI}})
    assert [] == await editor.complete(uri=URI)
    off = (await statuses(editor))[-1]
    assert ("off", URI) == (off["state"], off["uri"])
    assert "Close and open the document again." in str(off["reason"])
    editor.open("x")
    assert 1 == len(await editor.complete(uri=URI))
    assert "ready" == (await statuses(editor))[-1]["state"]


async def test_work_that_ends_before_it_is_shown_leaves_no_timer() -> None:
    """Two requests side by side count as one piece of work."""
    sent: list[dict[str, object]] = []
    status = Status(sent.append)
    with status.working(), status.working():
        await asyncio.sleep(0)
    assert status._timer is None
    assert [] == sent


async def test_an_overloaded_server_asks_clients_to_wait_longer(
    connect: Connect,
) -> None:
    """The status says how long to wait after a key, until the load has gone."""
    backend = LoadingBackend()
    editor = await introduced(connect, backend)
    backend.tell(EngineState.READY, "")
    assert backend.listener is not None
    for step in (
        OverloadStep.LESS_CONTEXT,
        OverloadStep.SLOW_DOWN,
        OverloadStep.REJECT,
        OverloadStep.NORMAL,
    ):
        backend.listener.overload_changed(step)
    assert [
        ("ready", None),
        ("busy", 250),
        ("busy", 500),
        ("ready", None),
    ] == [
        (reported["state"], reported.get("debounceMs"))
        for reported in await statuses(editor)
        if reported["state"] != "loading"
    ]
