"""Starts real servers, each with an editor made of pipes in front of it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from piped_editor import Editor

MIDFILL = [sys.executable, "-m", "lsp_server", "serve", "--stdio"]


class LaunchedServer:
    """A server's process, the editor in front of it, and its log."""

    def __init__(
        self, process: asyncio.subprocess.Process, editor: Editor, log: Path
    ) -> None:
        self.process = psutil.Process(process.pid)
        self.editor = editor
        self._log = log

    @property
    def stderr(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@asynccontextmanager
async def launched(
    command: list[str], log: Path, **environment: str
) -> AsyncGenerator[LaunchedServer]:
    """Start a server, and leave none of its processes behind.

    Every byte of its stdout has to belong to a message.
    """
    server_in, to_server = os.pipe()
    from_server, server_out = os.pipe()
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=server_in,
            stdout=server_out,
            stderr=stderr,
            env=os.environ | environment,
        )
    os.close(server_in)
    os.close(server_out)
    reader = asyncio.StreamReader(limit=1 << 26)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_server, "rb")
    )
    editor = Editor(to_server, -1, reader, transport)
    editor.server = asyncio.create_task(process.wait())
    server = LaunchedServer(process, editor, log)
    below: list[psutil.Process] = []
    try:
        yield server
        with contextlib.suppress(psutil.NoSuchProcess):
            below = server.process.children(recursive=True)
        editor.hang_up()
        await editor.exit_code()
        await asyncio.wait({editor.reading}, timeout=60)
        assert b"" == editor.stray, f"stray bytes: {editor.stray!r}"
        assert editor.reading.done(), "something holds the server's stdout open"
        orphans = [child for child in below if child.is_running()]
        assert [] == orphans, f"left behind: {orphans}"
    finally:
        for straggler in [server.process, *below]:
            with contextlib.suppress(psutil.NoSuchProcess):
                straggler.kill()
        editor.hang_up()
        editor.reading.cancel()
        transport.close()
        await process.wait()


Launch = Callable[..., Awaitable[LaunchedServer]]
