"""Connects editors made of pipes to real servers in this process."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lsp_server.protocol.channel import StdioChannel
from lsp_server.protocol.connection import EditorConnection
from lsp_server.protocol.pipes import Stdio
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from fault_backends import EchoBackend, FixedConfigurator
from piped_editor import Connect, Editor


def end_of_readers(older: set[threading.Thread]) -> None:
    """Wait until the threads that read from this test's editors have ended."""
    for thread in set(threading.enumerate()) - older:
        if thread.name == "editor-reader":
            thread.join(timeout=60)
            assert not thread.is_alive()


@pytest.fixture
async def connect() -> AsyncGenerator[Connect]:
    """Connect editors to servers that run in this process, each with its backend."""
    editors: list[tuple[Editor, list[int]]] = []
    older = set(threading.enumerate())

    async def connect_to(
        backend: object = None,
        *,
        configurator: FixedConfigurator | None = None,
        max_body_bytes: int = 1 << 27,
        feedback: SuggestionFeedback | None = None,
    ) -> Editor:
        server_in, to_server = os.pipe()
        from_server, server_out = os.pipe()
        reader = asyncio.StreamReader(limit=1 << 26)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_server, "rb")
        )
        editor = Editor(to_server, server_in, reader, transport)
        connection = EditorConnection(
            configurator or FixedConfigurator(lambda: backend),  # type: ignore[arg-type,return-value]  # tests pass what they need
            StdioChannel(
                Stdio(reader_fd=server_in, writer_fd=server_out),
                max_body_bytes=max_body_bytes,
            ),
            feedback=feedback,
        )
        editor.server = asyncio.create_task(connection.serve(editor.ends.append))
        editors.append((editor, [server_in, server_out]))
        return editor

    yield connect_to
    for editor, _ in editors:
        editor.hang_up()
        await editor.exit_code()
    # A thread that is about to read would take the bytes of the next test's pipe,
    # which gets the same descriptor.
    await asyncio.to_thread(end_of_readers, older)
    for editor, fds in editors:
        for fd in fds:
            os.close(fd)
        await asyncio.wait({editor.reading})
        assert editor.stray == b""
        editor.transport.close()


@pytest.fixture
def backend() -> EchoBackend:
    """Make the backend of the ``editor`` fixture."""
    return EchoBackend()


@pytest.fixture
async def editor(connect: Connect, backend: EchoBackend) -> Editor:
    """Connect an editor to a server with an echoing backend, and initialise it."""
    made = await connect(backend)
    await made.initialize()
    await made.wait(lambda m: m.get("method") == "window/workDoneProgress/create")
    return made
