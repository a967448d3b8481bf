"""A team server of several processes: what one process would do, and what it costs.

`test_listen` has its tests run on such a server as well.
"""

import asyncio
import os
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from piped_editor import completion_params
from prometheus_client.parser import text_string_to_metric_families
from team_server import BEARER, SECRET, SERVE, SETTINGS, TeamServer, team_server
from two_front_ends import NAMES, connected, front_ends, ready, suggestion

from lsp_server.access.keys import StoredKey, digest_of

TWO = SETTINGS | {"MIDFILL_LISTEN_FRONT_ENDS": "2"}
ASK = {"prompt": "x = ", "max_tokens": 4}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TeamServer]:
    """Start a server with two front ends."""
    with team_server(tmp_path, TWO) as made:
        yield made


def api(server: TeamServer) -> httpx.AsyncClient:
    """Return a client that connects anew for each request, and so meets them all."""
    url = f"https://127.0.0.1:{server.port('listen.ready')}"
    headers = BEARER | {"Connection": "close"}
    return httpx.AsyncClient(
        base_url=url, headers=headers, verify=server.tls, timeout=60
    )


async def test_every_front_end_serves_and_the_metrics_are_of_all(
    server: TeamServer,
) -> None:
    """Requests of both are counted, and the engine once."""
    await ready(server)
    editors = [await connected(server, name) for name in sorted(NAMES)]
    assert 1 == len({await suggestion(editor) for editor in editors})
    async with api(server) as http:
        for _ in range(16):
            answer = await http.post("/v1/completions", json=ASK)
            assert 200 == answer.status_code
        text = (await http.get("/metrics")).text
    requests: Counter[str] = Counter()
    engines = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "midfill_requests_total":
                key = (sample.labels["front_end"], sample.labels["route"])
                requests[" ".join(key)] += int(sample.value)
            elif sample.name == "midfill_engine_state":
                engines += sample.value
    assert 16 == sum(requests[f"{name} completions"] for name in NAMES)
    assert all(requests[f"{name} lsp"] for name in NAMES)
    assert 1 == engines
    for editor in editors:
        editor.hang_up()


async def test_a_front_end_that_is_killed_costs_its_own_editors_alone(
    server: TeamServer,
) -> None:
    """Another one takes its place; an editor of the other process notices nothing."""
    one, other = [await connected(server, name) for name in sorted(NAMES)]
    assert await suggestion(one)
    killed = front_ends(server)["f1"]
    os.kill(killed, signal.SIGKILL)
    await asyncio.wait({one.reading}, timeout=60)
    assert one.reading.done()
    assert await suggestion(other)
    async with asyncio.timeout(60):
        while front_ends(server)["f1"] == killed:  # noqa: ASYNC110 - a file tells of no change
            await asyncio.sleep(0.05)
    async with api(server) as http:
        answers = [await http.post("/v1/completions", json=ASK) for _ in range(16)]
    assert {200} == {answer.status_code for answer in answers}
    again = await connected(server, "f1")
    assert await suggestion(again)
    for editor in (other, again):
        editor.hang_up()


@pytest.mark.slow
async def test_a_front_end_that_stands_still_is_replaced(server: TeamServer) -> None:
    """Nobody would get an answer from it."""
    stopped = front_ends(server)["f2"]
    os.kill(stopped, signal.SIGSTOP)
    async with asyncio.timeout(60):
        while front_ends(server)["f2"] == stopped:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    assert not psutil.pid_exists(stopped)


async def test_an_engine_that_dies_is_started_again_for_all(tmp_path: Path) -> None:
    """Every front end completes afterwards."""
    dies = TWO | {"MIDFILL_SCRIPTED_DIE_AFTER_REQUESTS": "6"}
    with team_server(tmp_path, dies) as server:
        editors = [await connected(server, name) for name in sorted(NAMES)]
        before = server.log.count("the engine is ready")
        async with asyncio.timeout(60):
            while server.log.count("the engine is ready") < before + 3:
                for editor in editors:
                    editor.open("x = ")
                    await editor.complete(0, 4)
        for editor in editors:
            assert await suggestion(editor)
            editor.hang_up()


async def test_a_key_has_its_limits_once(tmp_path: Path) -> None:
    """Not once in each front end."""
    key = StoredKey(
        id="k_00000001",
        name="test",
        sha256=digest_of(SECRET).hex(),
        requests_per_s=0.001,
        burst=5,
    )
    with team_server(tmp_path, TWO | {"MIDFILL_KEYS": key.line}) as server:
        await ready(server)
        async with api(server) as http:
            statuses = Counter(
                [
                    (await http.post("/v1/completions", json=ASK)).status_code
                    for _ in range(16)
                ]
            )
    assert {200: 5, 429: 11} == statuses


async def test_what_runs_is_completed_at_the_end(tmp_path: Path) -> None:
    """Whichever process of the server the signal comes to."""
    slow = TWO | {"MIDFILL_SCRIPTED_TOKEN_DELAY_MS": "100"}
    with team_server(tmp_path, slow) as server:
        await ready(server)
        editors = [await connected(server, name) for name in sorted(NAMES)]
        for editor in editors:
            editor.open("x = ")
            editor.ask_with(7, "textDocument/inlineCompletion", completion_params(0, 4))
            await editor.request("no/such")
        # As a service manager does.
        for process in psutil.Process(server.process.pid).children():
            process.terminate()
        server.process.terminate()
        for editor in editors:
            assert (await editor.reply(7))["result"]


def test_front_ends_end_with_a_server_that_is_killed(tmp_path: Path) -> None:
    """Nobody answers on the port any more."""
    alive: list[psutil.Process] = []
    # The server does not end in order.
    with suppress(AssertionError), team_server(tmp_path, TWO) as server:
        port = server.port("listen.ready")
        processes = [psutil.Process(each) for each in front_ends(server).values()]
        server.process.kill()
        _gone, alive = psutil.wait_procs(processes, timeout=30)
    assert [] == alive
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


def test_nothing_is_imported_from_the_folder_that_it_is_started_in(
    tmp_path: Path,
) -> None:
    """It may be anybody's project."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("json", "ssl", "uvicorn", "lsp_server"):
        (project / f"{name}.py").write_text("raise SystemExit('imported')")
    with team_server(tmp_path, TWO, cwd=project) as server:
        assert sorted(NAMES) == sorted(front_ends(server))
        assert "imported" not in server.log


@pytest.mark.parametrize("front_ends", ["1", "2"])
def test_a_second_server_does_not_share_the_port(
    server: TeamServer, front_ends: str, tmp_path: Path
) -> None:
    """Although its front ends could, and take half of the connections."""
    port = server.port("listen.ready")
    done = subprocess.run(
        [*SERVE, "--listen", f"127.0.0.1:{port}"],
        env=os.environ
        | TWO
        | {"HOME": str(tmp_path), "MIDFILL_LISTEN_FRONT_ENDS": front_ends},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 1 == done.returncode
    assert "in use" in done.stderr


def test_a_server_ends_at_once_while_its_front_ends_start(tmp_path: Path) -> None:
    """Or while one of them stands still."""
    process = subprocess.Popen(
        [*SERVE, "--listen", "127.0.0.1:0"],
        env=os.environ | TWO | {"HOME": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    server = psutil.Process(process.pid)
    try:
        while not (started := server.children()):
            assert process.poll() is None
        for each in started:
            each.suspend()
        process.terminate()
        assert 0 == process.wait(20)
    finally:
        process.kill()
