"""A team server with two front ends, and editors on a certain one of them."""

import asyncio
import re

from piped_editor import Editor
from team_server import TeamServer, over_tcp

NAMES = ("f1", "f2")


def front_ends(server: TeamServer) -> dict[str, int]:
    """Return the latest process of each front end."""
    ready = r"front_end.ready front_end='(\w+)' process_id=(\d+)"
    return {name: int(number) for name, number in re.findall(ready, server.log)}


async def ready(server: TeamServer, *, limit_s: float = 60) -> None:
    """Wait until the engine's process and every front end have the engine."""
    async with asyncio.timeout(limit_s):
        while server.log.count("the engine is ready") <= len(NAMES):  # noqa: ASYNC110 - a file tells of no change
            await asyncio.sleep(0.05)


async def connected(server: TeamServer, name: str) -> Editor:
    """Connect an editor to a certain front end; the system chooses, so try."""
    while True:
        seen = server.log.count("lsp.connected")
        editor = await over_tcp(server)
        await editor.initialize(processId=2**22 + 1)
        # The line is there before the answer.
        names = re.findall(r"lsp.connected connection='(\w+)-", server.log)
        if name in names[seen:]:
            return editor
        editor.hang_up()
        await asyncio.wait({editor.reading}, timeout=60)


async def suggestion(editor: Editor, text: str = "x = ") -> str:
    """Return the first suggestion that comes at the end of a text."""
    editor.open(text)
    *before, last = text.split("\n")
    async with asyncio.timeout(60):
        while not (items := await editor.complete(len(before), len(last))):
            pass
    return str(items[0]["insertText"])
