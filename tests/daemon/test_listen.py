"""The team server: who gets in, what a client may send, and what it costs others."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from piped_editor import Editor, Json, completion_params, error_code
from prometheus_client.parser import text_string_to_metric_families
from remote_editor import SocketEditor, WebsocketEditor
from team_server import (
    BEARER,
    SECRET,
    SETTINGS,
    TeamServer,
    over_tcp,
    over_websocket,
    team_server,
)
from websockets.exceptions import InvalidStatus

from lsp_server.access.keys import new_secret

TRANSPORTS = ["tcp", "websocket"]
ONE_MORE = Counter(lsp=1, completions=1, shown=1, accepted=1)


@pytest.fixture(scope="module", params=["1", "2"], ids=["alone", "front-ends"])
def processes(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the setting for one process, then for two front ends."""
    return {"MIDFILL_LISTEN_FRONT_ENDS": str(request.param)}


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, processes: dict[str, str]
) -> Iterator[TeamServer]:
    """Start a team server with TLS and one key."""
    with team_server(tmp_path_factory.mktemp("team"), SETTINGS | processes) as made:
        yield made


@pytest.fixture(scope="module")
def slow_server(
    tmp_path_factory: pytest.TempPathFactory, processes: dict[str, str]
) -> Iterator[TeamServer]:
    """Start one on which no generation ends before its deadline."""
    slow = SETTINGS | processes | {"MIDFILL_SCRIPTED_TOKEN_DELAY_MS": "2000"}
    with team_server(tmp_path_factory.mktemp("slow"), slow) as made:
        yield made


@pytest.fixture(params=TRANSPORTS)
async def editor(
    request: pytest.FixtureRequest, server: TeamServer
) -> AsyncGenerator[Editor]:
    """Connect an editor over each transport."""
    dial = over_tcp if request.param == "tcp" else over_websocket
    made = await dial(server)
    yield made
    made.hang_up()
    await asyncio.wait({made.reading}, timeout=60)


async def introduced(editor: Editor) -> None:
    """Introduce an editor and wait for its first completion."""
    await editor.initialize(processId=2**22 + 1)
    editor.open("x = ")
    async with asyncio.timeout(60):
        while not await editor.complete(0, 4):
            pass


async def test_an_editor_far_away_is_served(editor: Editor) -> None:
    """Its process is not looked for here, and what it never opened is not read."""
    await introduced(editor)
    assert [] == await editor.complete(uri=Path(__file__).as_uri())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff\xfe", -32700),
        (b"{", -32700),
        (b"[" * 100_000, -32700),
        (b'[{"jsonrpc":"2.0","id":1,"method":"shutdown"}]', -32600),
    ],
)
async def test_a_bad_message_costs_itself_alone(
    editor: Editor, body: bytes, code: int
) -> None:
    """It is answered with an error, and the next one is read."""
    await editor.initialize()
    editor.send_body(body)
    assert code == error_code(await editor.reply(None))
    await introduced_again(editor)


async def introduced_again(editor: Editor) -> None:
    """Complete once more."""
    editor.open("y = ", uri="file:///y.py")
    assert isinstance(await editor.complete(0, 4, uri="file:///y.py"), list)


async def test_a_storm_of_cancelled_requests(editor: Editor) -> None:
    """Each is answered once, and the next one completes."""
    await introduced(editor)
    for number in range(1000, 1200):
        params = completion_params(0, 4)
        editor.ask_with(number, "textDocument/inlineCompletion", params)
        editor.notify("$/cancelRequest", {"id": number})
    for number in range(1000, 1200):
        await editor.reply(number)
    ids = [message.get("id") for message in editor.received]
    assert [1] * 200 == [ids.count(number) for number in range(1000, 1200)]
    assert 1 == len(await editor.complete(0, 4))


@pytest.mark.parametrize("dial", [over_tcp, over_websocket], ids=TRANSPORTS)
async def test_a_client_that_goes_frees_the_engine(
    slow_server: TeamServer, dial: Callable[[TeamServer], Awaitable[Editor]]
) -> None:
    """Its generation is cancelled before it ends."""
    editor = await dial(slow_server)
    reports = {"experimental": {"midfill": {"status": True}}}
    await editor.initialize(processId=2**22 + 1, capabilities=reports)
    await editor.wait(lambda message: '"ready"' in json.dumps(message))
    before = slow_server.log.count('"status": 499')
    editor.open("x = ")
    editor.ask_completion(0, 4)
    await editor.request("no/such")
    editor.hang_up()
    async with asyncio.timeout(60):
        while slow_server.log.count('"status": 499') == before:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    await asyncio.wait({editor.reading}, timeout=60)


async def test_a_client_that_never_reads_is_disconnected(
    editor: Editor, server: TeamServer
) -> None:
    """Before its replies fill the memory; others are served."""
    await editor.initialize()
    editor.stop_reading()
    before = server.log.count("client does not read")
    for _ in range(300):
        editor.send({"id": "x" * 100_000, "method": "no/such"})
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        while server.log.count("client does not read") == before:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    other = await over_websocket(server)
    await introduced(other)
    other.hang_up()


async def test_metrics_count_editors_and_api_alike(
    editor: Editor, server: TeamServer
) -> None:
    """On the same port, with a key: requests, and what became of suggestions."""
    url = f"https://127.0.0.1:{server.port('listen.ready')}"
    await introduced(editor)
    async with httpx.AsyncClient(
        base_url=url, headers=BEARER, verify=server.tls, timeout=60
    ) as http:
        before = counted((await http.get("/metrics")).text)
        # The same text at the same place would be counted as shown before.
        editor.open("z = ", uri="file:///z.py")
        [item] = await editor.complete(0, 4, uri="file:///z.py")
        command = item["command"]
        assert isinstance(command, dict)
        accepted = {key: command[key] for key in ("command", "arguments")}
        await editor.request("workspace/executeCommand", accepted)
        answer = await http.post("/v1/completions", json={"prompt": "x"})
        assert 200 == answer.status_code
        after = counted((await http.get("/metrics")).text)
        stranger = await http.get("/metrics", headers={"Authorization": "Bearer x"})
        assert 401 == stranger.status_code
    assert ONE_MORE == after - before


def counted(text: str) -> Counter[str]:
    """Return how many requests and suggestions there were, by their labels."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        if family.name in {"midfill_requests", "midfill_suggestions"}:
            for sample in family.samples:
                kind = sample.labels.get("route") or sample.labels["event"]
                found[kind] += int(sample.value)
    return found


@pytest.mark.slow
async def test_one_byte_a_second_ends_at_the_deadline(editor: Editor) -> None:
    """A message has ten seconds, and not as long as bytes come, which is a minute."""
    await editor.initialize()
    began = time.perf_counter()
    head = (
        b"\x81\xfe\x10\x00abcd"
        if isinstance(editor, WebsocketEditor)
        else b"Content-Length: 4096\r\n\r\n"
    )
    editor.send_bytes(head)
    assert isinstance(editor, SocketEditor | WebsocketEditor)
    assert await editor.drip(b" " * 60, pause_s=1) < 60
    assert time.perf_counter() - began > 9


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": f"Bearer {new_secret()}"}, 401),
        (BEARER | {"Origin": "https://evil.example"}, 403),
        (BEARER | {"Origin": "null"}, 403),
    ],
)
async def test_a_websocket_needs_a_key_and_no_foreign_page(
    server: TeamServer, headers: dict[str, str], status: int
) -> None:
    """The handshake is refused, with a missing Origin as well."""
    with pytest.raises(InvalidStatus) as refused:
        await over_websocket(server, headers)
    assert status == refused.value.response.status_code


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1@evil.example", "a b", "localhost\r\nHost: a"]
)
async def test_a_foreign_or_malformed_host_is_refused(
    server: TeamServer, host: str
) -> None:
    """DNS rebinding brings a page's own name."""
    port = server.port("listen.ready")
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=server.tls)
    writer.write(
        f"GET /lsp HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {SECRET}\r\n\r\n".encode()
    )
    status = (await reader.readline()).split()[1]
    assert status in {b"400", b"403"}
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize(
    "first",
    ["", "Bearer wrong", f"bearer {SECRET}x", f"Basic {SECRET}"],
    # The key is a new one in every process.
    ids=["nothing", "another key", "one letter more", "another scheme"],
)
async def test_tcp_needs_a_key_in_the_first_line(
    server: TeamServer, first: str
) -> None:
    """Without one, ``initialize`` is not read, and the connection is closed."""
    editor = await over_tcp(server, first)
    editor.ask("initialize", {"capabilities": {}})
    await asyncio.wait({editor.reading}, timeout=60)
    assert editor.reading.done()
    assert [-32803] == [error_code(message) for message in editor.received]


async def test_the_servers_own_settings_hold(server: TeamServer) -> None:
    """An editor may lower what a completion costs, and choose no model or path."""
    editor = await over_websocket(server)
    options: Json = {
        "model": {"path": "/etc"},
        "completion": {"candidates": 10, "maxLineTokens": 3},
    }
    await editor.initialize(initializationOptions=options)
    message = await editor.wait(lambda m: m.get("method") == "window/showMessage")
    assert "completion.candidates, model.path" in str(message["params"])
    editor.hang_up()
