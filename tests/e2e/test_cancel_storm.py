"""A thousand cancelled requests leave nothing behind, in the server or its engine."""

import re
import sys
from collections import Counter
from pathlib import Path

from launched_server import LaunchedServer, launched
from piped_editor import Editor, completion_params

COUNTING = Path(__file__).parents[1] / "servers" / "counting_server.py"
METHOD = "textDocument/inlineCompletion"
SETTINGS = {
    "MIDFILL_ENGINE_KIND": "scripted",
    "MIDFILL_SCRIPTED_TEXT": "21 + 21",
    "MIDFILL_SCRIPTED_TOKEN_DELAY_MS": "5",
    "MIDFILL_LOG_LEVEL": "warning",
}


async def storm(editor: Editor, pairs: range) -> None:
    """Ask and take back, some at once and some when the engine is at work."""
    for message_id in pairs:
        uri = f"file:///nowhere/{message_id % 7}.py"
        editor.ask_with(message_id, METHOD, completion_params(0, 4, uri=uri))
        if message_id % 5 == 0:
            # Whatever came before this one has been begun when it is answered.
            await editor.request("no/such")
        editor.notify("$/cancelRequest", {"id": message_id})
    await editor.reply(pairs[-1])


async def held(server: LaunchedServer) -> tuple[int, int, int]:
    """Return the server's tasks and engine requests, and its memory in bytes."""
    editor = server.editor
    # The last request's tasks end within the turns of the loop that this takes.
    await editor.request("no/such")
    before = len(editor.reported("window/showMessage"))
    editor.notify("workspace/didChangeConfiguration", {"settings": {}})
    await editor.wait(lambda _: before < len(editor.reported("window/showMessage")))
    reported = str(editor.reported("window/showMessage")[-1]["message"])
    counts = re.fullmatch("[0-9]+: ([0-9]+) tasks, ([0-9]+) requests", reported)
    assert counts, reported
    return int(counts[1]), int(counts[2]), server.process.memory_info().rss


async def test_a_thousand_cancelled_requests(tmp_path: Path) -> None:
    """One reply for each, no task and no request stays, and memory is flat."""
    command = [sys.executable, str(COUNTING)]
    async with launched(command, tmp_path / "log", **SETTINGS) as server:
        editor = server.editor
        await editor.initialize()
        await editor.wait_until_ready()
        for number in range(7):
            editor.open("x = ", uri=f"file:///nowhere/{number}.py")
        await storm(editor, range(10_000, 10_200))
        tasks_before, _, bytes_before = await held(server)
        await storm(editor, range(20_000, 21_000))
        tasks_after, requests, bytes_after = await held(server)
        # Context may be gathered in the background at either moment.
        assert tasks_after <= tasks_before + 1
        assert 0 == requests
        assert bytes_after - bytes_before < 4 << 20
        replies = Counter(m["id"] for m in editor.received if "method" not in m)
        assert [1] * 1000 == [
            replies[message_id] for message_id in range(20_000, 21_000)
        ]
        editor.open("x = ")
        assert 1 == len(await editor.complete(0, 4))
        await editor.request("shutdown")
        editor.notify("exit", None)
        assert 0 == await editor.exit_code()
    assert "" == server.stderr
