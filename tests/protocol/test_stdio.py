"""Nothing but messages reaches the editor, whoever prints."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launched_server import launched

from lsp_server.protocol.framing import encode_frame

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
        "from lsp_server.protocol.stdio import claim_stdio\n"
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
        "from lsp_server.protocol.stdio import claim_stdio\n"
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
        "from lsp_server.protocol.stdio import claim_stdio\n"
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
