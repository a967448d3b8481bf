"""The servers that editors are given in tests do what their names promise."""

import json
import subprocess

import pytest
from editor_server import EditorServer, FaultyServer, ScriptedServer

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"processId": None, "rootUri": None, "capabilities": {}},
}


def message(content: object) -> bytes:
    """Frame a message as LSP does."""
    body = json.dumps(content).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def started(server: EditorServer) -> "subprocess.Popen[bytes]":
    """Start a server and introduce an editor to it."""
    process = subprocess.Popen(
        server.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    process.stdin.write(message(INITIALIZE))
    process.stdin.flush()
    return process


def answered(server: EditorServer) -> "subprocess.Popen[bytes]":
    """Start a server and wait for its answer."""
    process = started(server)
    assert process.stdout
    assert process.stdout.readline().startswith(b"Content-Length: ")
    return process


def ended(process: "subprocess.Popen[bytes]") -> bytes:
    """End a server by closing its stdin, and return what it wrote to stdout."""
    written, _ = process.communicate(timeout=30)
    return written


def test_server_is_known_from_outside(scripted_server: ScriptedServer) -> None:
    """Its process id, its processes and its log are there, and it can be killed."""
    server = scripted_server()
    assert [] == server.pids
    process = answered(server)
    assert [process.pid] == server.pids
    assert process.pid in {found.pid for found in server.running}
    server.kill()
    ended(process)
    assert -9 == process.returncode
    server.assert_gone()


def test_leftovers_are_found(scripted_server: ScriptedServer) -> None:
    """A server that still runs fails the check, and is ended by it."""
    server = scripted_server()
    process = answered(server)
    with pytest.raises(AssertionError, match=f"left behind.*{process.pid}"):
        server.assert_gone(within_s=0.1)
    assert -9 == process.wait(10)
    ended(process)


def test_events_are_read(scripted_server: ScriptedServer) -> None:
    """Name, level and fields of each line of the log are distinguished."""
    server = scripted_server()
    server.log.write_text(
        "2026-11-29T10:00:00.123 INFO completion.accepted id='a b' chars=7\n"
        "Traceback: no event\n2026-11-29T10:00:01.000 ERROR engine.died\n",
        encoding="utf-8",
    )
    (event,) = server.events("completion.accepted")
    assert {"id": "a b", "chars": "7"} == event.fields
    assert ["INFO", "ERROR"] == [event.level for event in server.events()]


def test_faults_are_what_they_are_called(faulty_server: FaultyServer) -> None:
    """One ends, one writes no messages, one is silent, one has another version."""
    crashed = started(faulty_server("crash"))
    assert (b"", 3) == (ended(crashed), crashed.returncode)
    assert b"{not json" in ended(started(faulty_server("garbage")))
    assert b"" == ended(started(faulty_server("hang")))
    assert b'"99.0.0"' in ended(started(faulty_server("other-version")))
