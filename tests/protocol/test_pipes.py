"""The editor's pipes never block the loop, and every way they break ends somewhere."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import ExitStack, aclosing
from pathlib import Path

import pytest
from launched_server import launched

from lsp_server.protocol.framing import encode_frame
from lsp_server.protocol.pipes import PipeReader, PipeWriter

Pipe = tuple[int, int]
DATA = b"Content-Length: 2\n\n{}" * 20_000


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Make a pipe, and close what is left of it."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue


class Losses:
    """Counts how often the other side was lost."""

    def __init__(self) -> None:
        self.count = 0
        self.happened = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self.happened.set()


async def test_what_is_written_is_read(pipe: Pipe) -> None:
    """More than a pipe holds comes through, in its order, and then the end."""
    reader, writer = PipeReader(pipe[0]), PipeWriter(pipe[1], lost=Losses())
    data = os.urandom(3_000_000)
    for start in range(0, len(data), 1_000_000):
        writer.write(data[start : start + 1_000_000])
    writer.write(b"")
    writer.write(b"the end")
    writer.close()

    async def close_when_written() -> None:
        await writer.drained()
        os.close(pipe[1])

    closing = asyncio.create_task(close_when_written())
    async with asyncio.timeout(60):
        got = b"".join([chunk async for chunk in reader.chunks()])
    assert data + b"the end" == got
    await closing


async def test_a_descriptor_that_cannot_be_read_has_ended(pipe: Pipe) -> None:
    """Reading from the wrong end of a pipe is an error, and an error is an end."""
    reader = PipeReader(pipe[1])
    assert [] == [chunk async for chunk in reader.chunks()]


async def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    """The loop cannot wait for a file, but a server can be fed from one."""
    path = tmp_path / "input"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        async with asyncio.timeout(60):
            chunks = PipeReader(file.fileno()).chunks()
            assert DATA == b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("kind", ["socket", "terminal"])
async def test_every_kind_of_connection_is_read(kind: str) -> None:
    """Editors connect servers through sockets as well, and people through terminals."""
    with ExitStack() as opened:
        reader_fd, writer_fd = _connected(kind, opened)
        writing = asyncio.create_task(asyncio.to_thread(_write_all, writer_fd, DATA))
        got = b""
        async with asyncio.timeout(60):
            async with aclosing(PipeReader(reader_fd).chunks()) as chunks:
                async for chunk in chunks:
                    got += chunk
                    if len(got) >= len(DATA):
                        break
            await writing
    assert DATA == got


def _connected(kind: str, opened: ExitStack) -> Pipe:
    """Return the ends to read from and to write to."""
    if kind == "terminal":
        writer_fd, reader_fd = os.openpty()
        tty.setraw(reader_fd)
        opened.callback(os.close, reader_fd)
        opened.callback(os.close, writer_fd)
        return reader_fd, writer_fd
    one, other = socket.socketpair()
    opened.enter_context(one)
    opened.enter_context(other)
    return one.fileno(), other.fileno()


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


async def test_a_reader_that_has_gone_is_noticed(pipe: Pipe) -> None:
    """It is said once; what is written later is dropped, and nothing waits for it."""
    lost = Losses()
    writer = PipeWriter(pipe[1], lost=lost)
    os.close(pipe[0])
    writer.write(b"x")
    async with asyncio.timeout(60):
        await lost.happened.wait()
    writer.write(b"y")
    writer.close()
    async with asyncio.timeout(60):
        await writer.drained()
    assert 1 == lost.count


async def test_a_reader_that_does_not_read_is_given_up(pipe: Pipe) -> None:
    """Beyond the cap nothing is kept, and the loop is never held up."""
    lost = Losses()
    writer = PipeWriter(pipe[1], lost=lost, max_unread_bytes=1_000_000)
    for _ in range(5):
        writer.write(b"x" * 300_000)
    assert 1 == lost.count
    await writer.drained()
    # The thread that hangs in the pipe ends when its other side is closed.
    writer.close()
    os.close(pipe[0])


async def test_reading_does_not_run_far_ahead(pipe: Pipe) -> None:
    """Whoever takes chunks slowly does not find the whole input in memory."""
    chunks = PipeReader(pipe[0]).chunks()
    total = 40 * 65_536
    written = 0

    def write() -> None:
        nonlocal written
        while written < total:
            written += os.write(pipe[1], b"x" * 65_536)
        os.close(pipe[1])

    writing = asyncio.create_task(asyncio.to_thread(write))
    async with asyncio.timeout(60):
        first = await anext(chunks)
        # 16 chunks ahead, the one in hand, and what the pipe itself holds.
        assert written <= 20 * 65_536
        rest = [chunk async for chunk in chunks]
        await writing
    assert total == len(first) + sum(map(len, rest))


NOISY = Path(__file__).parents[1] / "servers" / "noisy_server.py"


async def test_no_stray_byte_reaches_the_editor(tmp_path: Path) -> None:
    """Python, a library in C, a child and a fork print: all of it ends in the log.

    The editor checks every byte of stdout, to the end.
    """
    async with launched([sys.executable, str(NOISY)], tmp_path / "log") as server:
        editor = server.editor
        await editor.initialize()
        editor.open("x")
        assert 1 == len(await editor.complete())
        await editor.request("shutdown")
        editor.notify("exit", None)
        assert 0 == await editor.exit_code()
    for what in ("python", "descriptor", "library", "child", "fork", "never-flushed"):
        for when in ("start", "answer", "close"):
            assert f"{what}-{when}" in server.stderr


async def test_the_editor_of_these_tests_notices_a_stray_byte(tmp_path: Path) -> None:
    """Without this, the test above could not fail."""
    script = "import os; os.write(1, b'Loading\\nContent-Length: 2\\r\\n\\r\\n{}')"
    with pytest.raises(AssertionError, match="Loading"):
        async with launched([sys.executable, "-c", script], tmp_path / "log"):
            pass


def test_stdin_is_not_left_to_children() -> None:
    """A child that reads its stdin finds it empty; the protocol's bytes are safe."""
    script = (
        "import os, subprocess\n"
        "from lsp_server.protocol.pipes import claim_stdio\n"
        "stdio = claim_stdio()\n"
        "stolen = subprocess.run(['cat'], capture_output=True).stdout\n"
        "kept = os.read(stdio.reader_fd, 100)\n"
        "os.write(stdio.writer_fd, b'stolen %b, kept %b' % (stolen, kept))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=encode_frame(b"{}"),
        capture_output=True,
        check=True,
    )
    assert b"stolen , kept " + encode_frame(b"{}") == done.stdout


@pytest.mark.parametrize("stderr", ["open", "closed"])
def test_prints_before_and_after_the_claim(stderr: str) -> None:
    """What Python had not flushed yet goes into the log, too, if there is one."""
    script = (
        "import os, sys\n"
        "from lsp_server.protocol.pipes import claim_stdio\n"
        "sys.stdout.write('early ')\n"
        "stdio = claim_stdio()\n"
        "print('late', flush=True)\n"
        "os.write(stdio.writer_fd, b'message')\n"
    )
    closes = "2>&-" if stderr == "closed" else ""
    done = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {closes}', sys.executable, script],
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        capture_output=True,
        check=True,
    )
    assert b"message" == done.stdout
    assert (b"early late\n" if stderr == "open" else b"") == done.stderr


@pytest.mark.parametrize("child", ["fork", "process"])
def test_a_child_that_lives_on_does_not_keep_the_pipe_open(child: str) -> None:
    """The editor sees the end of the server's output although a child lingers."""
    start = {
        "fork": "pid = os.fork()\nif not pid: signal.pause()\n",
        "process": "pid = subprocess.Popen(['sleep', '100']).pid\n",
    }
    script = (
        "import os, signal, subprocess\n"
        "from lsp_server.protocol.pipes import claim_stdio\n"
        "stdio = claim_stdio()\n"
        f"{start[child]}"
        "os.write(stdio.writer_fd, b'%d' % pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    os.kill(int(done.stdout), signal.SIGKILL)
