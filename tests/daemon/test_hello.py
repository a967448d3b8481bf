"""What comes first on the daemon's socket, and what becomes of something else."""

import socket
import time

import pytest
from daemons import DaemonHome

from lsp_server.daemon.hello import MAX_HELLO_BYTES, Answer, Hello, Origin, Purpose
from lsp_server.errors import DaemonError


def test_a_hello_is_read_as_it_was_written() -> None:
    """With what of the environment is no UTF-8, as Python holds it."""
    origin = Origin(
        folder="/a", config_file="/b", model="m", environment={"MIDFILL_X": "\udcff é"}
    )
    hello = Hello(purpose=Purpose.EDITOR, token="t", origin=origin)
    assert hello == Hello.read(hello.line())


def test_only_midfills_environment_is_sent() -> None:
    """The rest may hold secrets, and the daemon has no use for it."""
    origin = Origin.of_process({"MIDFILL_LOG_LEVEL": "debug", "TOKEN": "secret"})
    assert {"MIDFILL_LOG_LEVEL": "debug"} == origin.environment


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"midfill": "0.0.9", "purpose": "status"}',
        Hello(purpose=Purpose.STOP).line().replace(b'"stop"', b'"explode"'),
        Hello(purpose=Purpose.STOP).line().replace(b'"token": ""', b'"tok": ""'),
        Hello(purpose=Purpose.STOP).line().replace(b'"folder": ""', b'"f": 1'),
    ],
)
def test_another_line_is_no_hello(line: bytes) -> None:
    """Of another version, for another purpose, without a part, or no JSON."""
    with pytest.raises(DaemonError):
        Hello.read(line)


def test_an_environment_too_long_is_named() -> None:
    """The daemon reads no more, so that nobody fills its memory."""
    origin = Origin(environment={"MIDFILL_X": "x" * MAX_HELLO_BYTES})
    with pytest.raises(DaemonError, match="MIDFILL_"):
        Hello(purpose=Purpose.EDITOR, origin=origin).line()


def talk(home: DaemonHome, data: bytes) -> bytes:
    """Send bytes to the daemon, and return all that it answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(str(home.status()["address"]))
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(1 << 16):
            received += chunk
    return received


def test_what_is_no_hello_costs_itself_alone(home: DaemonHome) -> None:
    """A refusal with a reason, or silence after five seconds; others are served."""
    home.midfill("daemon", "start")
    other = Hello(purpose=Purpose.EDITOR, version="99.0.0").line()
    assert "99.0.0" in Answer.read(talk(home, other)).refusal
    assert (
        "cannot be understood" in Answer.read(talk(home, b"GET / HTTP/1.1\n")).refusal
    )
    assert b"" == talk(home, b"x" * (2 * MAX_HELLO_BYTES))
    began_s = time.monotonic()
    assert b"" == talk(home, b"{")
    assert time.monotonic() - began_s > 4
    assert home.status()["running"]
