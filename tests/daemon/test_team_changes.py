"""What changes while a team server runs: keys, the certificate, and its end."""

import asyncio
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from piped_editor import Editor
from team_server import (
    BEARER,
    SECRET,
    SETTINGS,
    TeamServer,
    over_tcp,
    over_websocket,
    team_server,
    write_certificate,
)
from websockets.exceptions import InvalidStatus

KEYS = [sys.executable, "-m", "lsp_server", "keys"]
UNKEYED = {name: text for name, text in SETTINGS.items() if name != "MIDFILL_KEYS"}
SHOWS_STATUS = {"experimental": {"midfill": {"status": True}}}
TRANSPORTS = pytest.mark.parametrize("transport", ["tcp", "websocket"])


def make_key(file: Path, name: str, *limits: str) -> str:
    """Make a key, and return the secret that is shown once."""
    return keys("create", name, "--file", str(file), *limits).strip()


def keys(*words: str) -> str:
    """Run ``midfill keys``, and return what it prints."""
    done = subprocess.run([*KEYS, *words], capture_output=True, text=True, check=True)
    return done.stdout


async def dial(server: TeamServer, transport: str, secret: str) -> Editor:
    """Connect an editor with a key."""
    if transport == "tcp":
        return await over_tcp(server, f"Bearer {secret}")
    return await over_websocket(server, {"Authorization": f"Bearer {secret}"})


async def until_ready(editor: Editor) -> None:
    """Introduce an editor, and wait until the engine completes."""
    await editor.initialize(processId=None, capabilities=SHOWS_STATUS)
    editor.open("x = ")
    async with asyncio.timeout(60):
        while not await editor.complete(0, 4):
            pass


@TRANSPORTS
async def test_an_editors_key_is_held_to_its_quota(
    tmp_path: Path, transport: str
) -> None:
    """Beyond it the list is empty; the log has the status, and others go on."""
    file = tmp_path / "keys.jsonl"
    limited, free = (
        make_key(file, "ada", "--tokens-per-day", "2500"),
        make_key(file, "bob"),
    )
    with team_server(tmp_path, UNKEYED | {"MIDFILL_ACCESS_KEYS_FILE": str(file)}) as at:
        first, other = (
            await dial(at, transport, limited),
            await dial(at, transport, free),
        )
        await until_ready(first)
        async with asyncio.timeout(60):
            while await first.complete(0, 4):
                pass
        await at.logged('"status": 429')
        assert [] == await first.complete(0, 4)
        await until_ready(other)
        for editor in (first, other):
            editor.hang_up()


@TRANSPORTS
async def test_an_editor_whose_key_is_revoked_is_disconnected(
    tmp_path: Path, transport: str
) -> None:
    """Without a restart of the server; who comes with it later is not let in."""
    file = tmp_path / "keys.jsonl"
    revoked, free = make_key(file, "ada"), make_key(file, "bob")
    with team_server(tmp_path, UNKEYED | {"MIDFILL_ACCESS_KEYS_FILE": str(file)}) as at:
        first, other = (
            await dial(at, transport, revoked),
            await dial(at, transport, free),
        )
        await until_ready(first)
        await until_ready(other)
        keys("revoke", "ada", "--file", str(file))
        async with asyncio.timeout(60):
            while not first.reading.done():
                first.ask_completion(0, 4)
                await asyncio.wait({first.reading}, timeout=0.2)
        await at.logged('"status": 401')
        assert await other.complete(0, 4)
        other.hang_up()


@TRANSPORTS
async def test_one_key_cannot_take_every_place(tmp_path: Path, transport: str) -> None:
    """Another gets the place of its quietest editor, whose user hears why."""
    file = tmp_path / "keys.jsonl"
    greedy, other = make_key(file, "ada"), make_key(file, "bob")
    settings = UNKEYED | {
        "MIDFILL_ACCESS_KEYS_FILE": str(file),
        "MIDFILL_LISTEN_MAX_EDITORS": "2",
    }
    with team_server(tmp_path, settings) as at:
        quiet, busy = [await dial(at, transport, greedy) for _ in range(2)]
        for editor in (quiet, busy):
            await editor.initialize(processId=None)
            await editor.request("no/such")
        newcomer = await dial(at, transport, other)
        await until_ready(newcomer)
        async with asyncio.timeout(60):
            await quiet.reading
        [shown] = quiet.reported("window/showMessage")
        assert "2 of them were yours" in str(shown)
        await refused(at, transport, greedy)
        for editor in (busy, newcomer):
            editor.hang_up()


async def refused(server: TeamServer, transport: str, secret: str) -> None:
    """Check that an editor is told that there is no place for it."""
    if transport == "websocket":
        with pytest.raises(InvalidStatus) as denied:
            await dial(server, transport, secret)
        assert 503 == denied.value.response.status_code
        assert b"1 of them by you" in denied.value.response.body
        return
    editor = await dial(server, transport, secret)
    async with asyncio.timeout(60):
        await editor.reading
    [answer] = editor.received
    assert "1 of them by you" in str(answer["error"])


async def test_sighup_reads_the_certificate_again(tmp_path: Path) -> None:
    """New connections get the new one, old ones stay; a bad file changes nothing."""
    with team_server(tmp_path, SETTINGS) as server:
        before = await over_websocket(server)
        await until_ready(before)
        server.certificate.write_text("nothing")
        server.process.send_signal(signal.SIGHUP)
        await server.logged("tls.not_reloaded")
        (await over_websocket(server)).hang_up()
        write_certificate(server.certificate)
        server.process.send_signal(signal.SIGHUP)
        await server.logged("tls.reloaded")
        with pytest.raises(ssl.SSLCertVerificationError):
            await over_websocket(server)
        server.tls = ssl.create_default_context(cafile=server.certificate)
        (await over_tcp(server)).hang_up()
        assert await before.complete(0, 4)
        before.hang_up()


@TRANSPORTS
async def test_a_drain_answers_what_has_begun(tmp_path: Path, transport: str) -> None:
    """SIGTERM while editors and the API are served: nothing is dropped unanswered."""
    slow = SETTINGS | {"MIDFILL_SCRIPTED_TOKEN_DELAY_MS": "100"}
    with team_server(tmp_path, slow) as server:
        editors = [await dial(server, transport, SECRET) for _ in range(4)]
        for editor in editors:
            await until_ready(editor)
        url = f"https://127.0.0.1:{server.port('listen.ready')}"
        async with httpx.AsyncClient(
            base_url=url, headers=BEARER, verify=server.tls, timeout=60
        ) as http:
            body = {"prompt": "x = ", "max_tokens": 16, "stream": True}
            async with http.stream("POST", "/v1/completions", json=body) as streamed:
                lines = streamed.aiter_lines()
                assert (await anext(lines)).startswith("data:")
                for editor in editors:
                    editor.received.clear()
                asked = [editor.ask_completion(0, 4) for editor in editors]
                for editor in editors:
                    await editor.wait(lambda m: "busy" in str(m.get("params")))
                server.process.send_signal(signal.SIGTERM)
                answers = [
                    await editor.reply(number)
                    for editor, number in zip(editors, asked, strict=True)
                ]
                assert "data: [DONE]" in [line async for line in lines]
        assert all(answer["result"] for answer in answers)
        assert 0 == await asyncio.to_thread(server.process.wait, 60)
