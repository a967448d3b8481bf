"""A client of a socket: what it may send, how slowly, and what it takes along."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial

import pytest
from fault_backends import EchoBackend, FixedConfigurator, SlowBackend
from piped_editor import Connect, Editor, error_code, frame
from remote_editor import SocketEditor

from lsp_server.protocol import connection
from lsp_server.protocol.arrival import ArrivalLimits
from lsp_server.protocol.connection import EditorConnection
from lsp_server.protocol.document_limits import DocumentRoom
from lsp_server.protocol.stream_channel import StreamChannel, StreamLimits

LIMITS = StreamLimits(
    max_body_bytes=1_000_000,
    max_unread_bytes=100_000,
    arrival=ArrivalLimits(stall_s=60.0, bytes_per_s=1_000_000),
)
IMPATIENT = replace(LIMITS, arrival=ArrivalLimits(stall_s=0.5, bytes_per_s=1_000_000))
ASK = frame({"jsonrpc": "2.0", "id": 7, "method": "no/such"})
BODY = ASK.partition(b"\r\n\r\n")[2]


@pytest.fixture
async def connect() -> AsyncGenerator[Connect]:
    """Connect editors by sockets to servers that run in this process."""
    editors: list[SocketEditor] = []

    async def connect_to(
        backend: EchoBackend, *, limits: StreamLimits = LIMITS, is_remote: bool = False
    ) -> Editor:
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_unix_connection(sock=theirs)
        served = EditorConnection(
            FixedConfigurator(lambda: backend),
            StreamChannel(*streams, limits=limits),
            name="editor",
            is_remote=is_remote,
        )
        editor = SocketEditor(*await asyncio.open_unix_connection(sock=ours))
        editor.server = asyncio.create_task(served.serve(editor.ends.append))
        editors.append(editor)
        return editor

    yield connect_to
    for editor in editors:
        editor.hang_up()
        await editor.exit_code()
        await asyncio.wait({editor.reading})


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 99999999999999\r\n\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"Content-Length: five\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"X: " + b"x" * 9000,
    ],
)
async def test_a_header_that_cannot_be_read_costs_its_connection_alone(
    connect: Connect, header: bytes
) -> None:
    """It is closed at once, and others go on."""
    bad, good = await connect(EchoBackend()), await connect(EchoBackend())
    bad.send_bytes(header)
    assert 1 == await bad.exit_code()
    await good.initialize()
    good.open("x")
    assert 1 == len(await good.complete())


@pytest.mark.parametrize(
    "parts",
    [
        [b"content-length: %d\n\n%b" % (len(BODY), BODY)],
        [ASK[at : at + 1] for at in range(len(ASK))],
        [ASK + b"\r\n" + ASK[:-5], ASK[-5:]],
    ],
)
async def test_frames_of_any_form_are_read(
    connect: Connect, parts: list[bytes]
) -> None:
    """Lower case, bare line feeds, single bytes, two frames in one read."""
    editor = await connect(EchoBackend())
    for part in parts:
        editor.send_bytes(part)
        await asyncio.sleep(0)
    assert -32002 == error_code(await editor.reply(7))


async def test_a_message_that_is_too_long_is_skipped(connect: Connect) -> None:
    """It is answered with an error, and what follows is read."""
    editor = await connect(EchoBackend())
    await editor.initialize()
    editor.send_body(b"[" * 2_000_000)
    assert -32700 == error_code(await editor.reply(None))
    editor.open("x")
    assert 1 == len(await editor.complete())


async def test_a_large_message_over_a_slow_line_is_read(connect: Connect) -> None:
    """What keeps coming is given its time, though it takes longer than a stall."""
    slow = StreamLimits(arrival=ArrivalLimits(stall_s=0.2, bytes_per_s=1))
    editor = await connect(EchoBackend(), limits=slow)
    data = ASK[:-1] + b" " * 400 + ASK[-1:]
    data = data.replace(b"%d" % len(BODY), b"%d" % (len(BODY) + 400))
    began = time.perf_counter()
    for at in range(0, len(data), 40):
        editor.send_bytes(data[at : at + 40])
        await asyncio.sleep(0.05)
    assert -32002 == error_code(await editor.reply(7))
    assert time.perf_counter() - began > 0.4


@pytest.mark.parametrize("sent_bytes", [5, 30, 40])
@pytest.mark.parametrize("drips", [False, True])
async def test_a_message_that_stalls_ends_at_its_deadline(
    connect: Connect,
    sent_bytes: int,
    drips: bool,  # noqa: FBT001 - a case
) -> None:
    """In the header or the body, whether it stops or goes on byte by byte."""
    editor = await connect(EchoBackend(), limits=IMPATIENT)
    began = time.perf_counter()
    assert isinstance(editor, SocketEditor)
    editor.send_bytes(ASK[:sent_bytes])
    rest = b" " * 3000 if drips else b""
    async with asyncio.TaskGroup() as tasks:
        dripping = tasks.create_task(editor.drip(rest, pause_s=0.02))
        assert 1 == await editor.exit_code()
        assert time.perf_counter() - began > 0.4
    # It did not last as long as bytes came, which is a minute.
    assert dripping.result() < len(rest) or not drips


async def test_a_silent_client_is_not_ended(connect: Connect) -> None:
    """The deadline is a message's, not the connection's."""
    editor = await connect(EchoBackend(), limits=IMPATIENT)
    await editor.initialize()
    assert editor.server is not None
    await asyncio.wait({editor.server}, timeout=0.7)
    editor.open("x")
    assert 1 == len(await editor.complete())


async def test_a_client_that_never_reads_is_disconnected(connect: Connect) -> None:
    """Before its replies fill the memory."""
    editor = await connect(EchoBackend())
    await editor.initialize()
    editor.stop_reading()
    request = frame({"jsonrpc": "2.0", "id": "x" * 30_000, "method": "no/such"})
    for _ in range(100):
        editor.send_bytes(request)
    assert 1 == await editor.exit_code()


async def test_a_client_that_goes_takes_its_generations_along(
    connect: Connect,
) -> None:
    """Each is cancelled, though it would never end, and nobody else's."""
    backend, other = SlowBackend(), SlowBackend()
    editor, stays = await connect(backend), await connect(other)
    for each in (editor, stays):
        await each.initialize()
        for number in range(10):
            each.open("x", uri=f"file:///{number}.py")
            each.ask_completion(uri=f"file:///{number}.py")
    for _ in range(10):
        await backend.begun.acquire()
        await other.begun.acquire()
    editor.hang_up()
    await editor.exit_code()
    assert (10, 0) == (backend.cancelled, backend.running)
    assert (0, 10) == (other.cancelled, other.running)


async def test_the_process_of_a_remote_editor_is_not_watched(
    connect: Connect,
) -> None:
    """Its id may be anybody's here, or nobody's."""
    far, near = [
        await connect(EchoBackend(), is_remote=is_remote) for is_remote in (True, False)
    ]
    for editor in (far, near):
        await editor.initialize(processId=2**22 + 1)
    # The one that is watched began later: by its end, the other would have ended too.
    await near.exit_code()
    assert far.server is not None
    assert not far.server.done()
    far.open("x")
    assert 1 == len(await far.complete())


async def test_an_editor_far_away_cannot_open_without_end(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and what is open goes on; one on this machine has no limit."""
    monkeypatch.setattr(
        connection, "DocumentRoom", partial(DocumentRoom, most_documents=2)
    )
    far, near = [
        await connect(EchoBackend(), is_remote=is_remote) for is_remote in (True, False)
    ]
    for editor, items in ((far, 0), (near, 1)):
        await editor.initialize()
        for number in range(3):
            editor.open("x", uri=f"file:///{number}.py")
        assert 1 == len(await editor.complete(uri="file:///0.py"))
        assert items == len(await editor.complete(uri="file:///2.py"))
    [shown] = far.reported("window/showMessage")
    assert "2 documents" in str(shown["message"])
    assert [] == near.reported("window/showMessage")
