"""How a real server ends, and what it makes of bytes that are no messages."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest
from launched_server import MIDFILL, LaunchedServer, launched
from piped_editor import Json, completion_params, frame

SCRIPTED = {"MIDFILL_ENGINE_KIND": "scripted", "MIDFILL_SCRIPTED_TEXT": "21 + 21"}
GONE_WITHIN_S = 60
BOTH_WAYS = pytest.mark.parametrize("way", ["own", "attached"], indirect=True)


@pytest.fixture
async def server(way: dict[str, str], tmp_path: Path) -> AsyncGenerator[LaunchedServer]:
    """Start a server that nothing has been said to."""
    async with launched(MIDFILL, tmp_path / "log", **(way | SCRIPTED)) as made:
        yield made


@BOTH_WAYS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_it_in_order(
    server: LaunchedServer, number: signal.Signals
) -> None:
    """The engine is closed, and the exit status is 1."""
    await server.editor.initialize()
    server.signal(number)
    assert 1 == await server.editor.exit_code()
    assert f"reason='{number.name}'" in server.stderr
    assert "Traceback" not in server.stderr


async def test_a_start_is_given_up_in_order(tmp_path: Path) -> None:
    """An engine that would load for ten minutes does not have to be killed."""
    slow = SCRIPTED | {"MIDFILL_SCRIPTED_START_DELAY_MS": "600000"}
    async with launched(MIDFILL, tmp_path / "log", **slow) as server:
        await server.editor.initialize()
        await server.editor.request("shutdown")
        server.editor.notify("exit", None)
        assert 0 == await server.editor.exit_code()
        assert "server.end " in server.stderr
        assert "server.end_forced" not in server.stderr


@BOTH_WAYS
async def test_the_end_of_stdin_ends_it(server: LaunchedServer) -> None:
    """The engine is closed first."""
    await server.editor.initialize()
    server.editor.hang_up()
    assert 1 == await server.editor.exit_code()
    assert "end of input" in server.stderr


@BOTH_WAYS
async def test_bytes_that_are_no_messages_cost_only_themselves(
    server: LaunchedServer,
) -> None:
    """Malformed JSON and odd headers; the next request is answered."""
    editor = server.editor
    await editor.initialize()
    editor.open("x = ")
    request: Json = {"jsonrpc": "2.0", "method": "textDocument/inlineCompletion"}

    def asked(message_id: int) -> bytes:
        return frame({**request, "id": message_id, "params": completion_params(0, 4)})

    faults = [frame({})[:-2] + b"{]", b'Content-Length: 9\r\n\r\n{"a":"\xff"}']
    for number, fault in enumerate(faults, start=100):
        editor.send_bytes(fault + asked(number))
        assert "result" in await editor.reply(number)
    errors = [m["error"] for m in editor.received if "error" in m]
    assert [-32700] * len(faults) == [e["code"] for e in errors if isinstance(e, dict)]
    # These are no faults: header names have no case, and some write bare line feeds.
    editor.send_bytes(asked(200).replace(b"Content-Length", b"content-length"))
    editor.send_bytes(asked(201).replace(b"\r\n", b"\n"))
    assert "result" in await editor.reply(200)
    assert "result" in await editor.reply(201)
    assert "Traceback" not in server.stderr


async def test_a_document_of_200_mib_costs_only_itself(server: LaunchedServer) -> None:
    """It is skipped in little memory and answered with an error; the rest goes on."""
    editor = server.editor
    await editor.initialize()
    await editor.wait_until_ready()
    before = server.process.memory_info().rss
    document = {"uri": "file:///nowhere/huge.log", "languageId": "log", "version": 1}
    body = {"method": "textDocument/didOpen", "params": {"textDocument": document}}
    text = frame({"jsonrpc": "2.0", **body}).split(b"\r\n\r\n", 1)[1]
    await editor.send_long(b"Content-Length: %d\r\n\r\n%b" % (200 << 20, text))
    peak = before
    for _ in range(199):
        await editor.send_long(b" " * (1 << 20))
        peak = max(peak, server.process.memory_info().rss)
    await editor.send_long(b" " * ((1 << 20) - len(text)))
    editor.open("x = ")
    assert 1 == len(await editor.complete(0, 4))
    error = (await editor.reply(None))["error"]
    assert isinstance(error, dict)
    assert -32700 == error["code"]
    assert peak - before < 32 << 20


def test_it_ends_when_its_editor_is_killed(tmp_path: Path) -> None:
    """Although a child of the editor holds its stdin open."""
    editor = textwrap.dedent("""
        import json, os, subprocess, sys, time
        reader, writer = os.pipe()
        server = subprocess.Popen(
            [sys.executable, "-m", "lsp_server", "serve", "--stdio"],
            stdin=reader, stdout=subprocess.PIPE, stderr=open(sys.argv[1], "wb"),
        )
        os.close(reader)
        holder = subprocess.Popen(["sleep", "600"], pass_fds=[writer])
        def send(**message):
            body = json.dumps({"jsonrpc": "2.0", **message}).encode()
            os.write(writer, b"Content-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
        params = {"processId": os.getpid(), "capabilities": {}}
        send(id=1, method="initialize", params=params)
        server.stdout.readline()
        send(method="initialized", params={})
        print(server.pid, holder.pid, flush=True)
        time.sleep(600)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", editor, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        env=os.environ | SCRIPTED,
    )
    assert process.stdout is not None
    server, holder = map(psutil.Process, map(int, process.stdout.readline().split()))
    process.kill()
    process.wait()
    try:
        gone, _ = psutil.wait_procs([server], timeout=GONE_WITHIN_S)
        assert [server] == gone
        assert holder.is_running()
        assert "editor has ended" in (tmp_path / "log").read_text()
    finally:
        process.stdout.close()
        for left in (server, holder):
            if left.is_running():
                left.kill()
