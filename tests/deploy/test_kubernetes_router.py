"""The team's overlay: real servers behind the real vllm-router and HAProxy."""

import asyncio
import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from obtain.record import UnobtainableError
from remote_editor import WebsocketEditor
from routed_team import (
    KEYS,
    LIMIT_S,
    Team,
    alone_router,
    answerers,
    pod_of,
    routed_team,
)
from websockets.asyncio.client import connect

CANARY = "canary = 4711"
DOCUMENTS = [f"file:///project/{number}.py" for number in range(60)]
"""So many that of three servers one gets none once in a billion runs, or less."""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Two servers behind one address."""
    try:
        with routed_team(tmp_path_factory.mktemp("team")) as made:
            yield made
    except UnobtainableError as error:
        pytest.skip(str(error))


def test_a_document_stays_on_one_server(team: Team) -> None:
    """And the documents of a key are spread over both."""
    with team.client() as client:
        homes = [answerers(client, [document] * 3) for document in DOCUMENTS]
    assert [[3]] * len(DOCUMENTS) == [list(home.values()) for home in homes]
    assert {"server0", "server1"} == {name for home in homes for name in home}


def test_a_client_without_a_session_stays_by_its_key(team: Team) -> None:
    """Whatever its prompts are; most clients cannot set a header."""
    for number in range(len(KEYS)):
        with team.client(number) as client:
            assert [12] == list(answerers(client, [""] * 12).values())


def test_what_the_router_does_not_know_goes_past_it(team: Team) -> None:
    """Among others llama.cpp's route, with its key; no page, and no single metrics."""
    infill = {"input_prefix": "a", "prompt": "", "input_suffix": "b", "n_predict": 4}
    page = {"Origin": "https://evil.example"}
    with team.client() as client:
        assert client.post("/infill", json=infill).is_success
        assert client.get("/props").is_success
        assert 404 == client.get("/metrics").status_code
        assert 403 == client.get("/v1/models", headers=page).status_code
        answer = client.post("/v1/completions", json={"prompt": "x"})
        assert "access-control-allow-origin" not in answer.headers
    with httpx.Client(base_url=team.proxy, verify=team.tls) as stranger:
        for route, body in (
            ("/v1/completions", {"prompt": "x"}),
            ("/infill", infill),
        ):
            assert 401 == stranger.post(route, json=body).status_code


def test_the_probes_of_the_router_say_what_they_are_asked(team: Team) -> None:
    """It is ready with servers, and not without."""
    probes = {
        name: pod_of("midfill-router")[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "readiness", "liveness")
    }
    for path in probes.values():
        assert 200 == httpx.get(f"{team.router}{path}").status_code, path
    with alone_router(team.servers[0].log.parent) as url:
        assert 503 == httpx.get(f"{url}{probes['readiness']}").status_code
        assert 200 == httpx.get(f"{url}{probes['liveness']}").status_code


def test_no_code_and_no_key_is_logged(team: Team) -> None:
    """vllm-router logs what it hashes: a prompt, where nothing else is sent."""
    with team.client() as client:
        assert client.post("/v1/completions", json={"prompt": CANARY}).is_success
        del client.headers["Authorization"]
        answer = client.post("/v1/completions", json={"prompt": CANARY})
        assert 401 == answer.status_code
    for log in team.servers[0].log.parent.glob("*.log"):
        text = log.read_text(encoding="utf-8")
        assert not any(each in text for each in (CANARY, *KEYS)), log.name


async def test_an_editor_comes_back_to_its_server(team: Team) -> None:
    """Each time that it connects, by its key."""
    found = set()
    for _ in range(4):
        editor = WebsocketEditor(
            await connect(
                f"{team.proxy.replace('https', 'wss')}/lsp",
                ssl=team.tls,
                proxy=None,
                compression=None,
                additional_headers={"Authorization": f"Bearer {KEYS[0]}"},
            )
        )
        await editor.initialize(processId=None)
        editor.open("x = ")
        async with asyncio.timeout(LIMIT_S):
            while not (items := await editor.complete(0, 4)):
                pass
        found.add(str(items[0]["insertText"]).split()[0])
        editor.hang_up()
        await asyncio.wait({editor.reading}, timeout=20)
    assert 1 == len(found)


def test_a_client_that_goes_frees_the_engine(team: Team) -> None:
    """Through proxy and router: the server notes that nobody waits any more."""
    body = {"prompt": "x", "max_tokens": 1500, "stream": True}
    before = sum(server.said().count('"status": 499') for server in team.servers)
    with (
        team.client() as client,
        client.stream("POST", "/v1/completions", json=body) as answer,
    ):
        next(answer.iter_lines())
    until_s = time.monotonic() + LIMIT_S
    while before == sum(
        server.said().count('"status": 499') for server in team.servers
    ):
        assert time.monotonic() < until_s
        time.sleep(0.02)


def test_nothing_is_lost_when_servers_go(tmp_path: Path) -> None:
    """One ends in order and one is killed, while eight clients go on asking."""
    answers: list[tuple[int, str]] = []
    is_over = threading.Event()

    def ask(team: Team, documents: list[str]) -> None:
        with team.client() as client:
            for document in itertools.cycle(documents):
                if is_over.is_set():
                    return
                body = {"prompt": "x = ", "max_tokens": 4}
                headers = {"x-session-id": document}
                answer = client.post("/v1/completions", json=body, headers=headers)
                answers.append((answer.status_code, answer.text))

    def let_pass(count: int) -> None:
        until_s, target = time.monotonic() + LIMIT_S, len(answers) + count
        while len(answers) < target:
            assert time.monotonic() < until_s
            time.sleep(0.02)

    try:
        with routed_team(tmp_path, 3) as team:
            asking = [
                threading.Thread(target=ask, args=(team, DOCUMENTS[number::8]))
                for number in range(8)
            ]
            for each in asking:
                each.start()
            let_pass(80)
            team.servers[0].process.terminate()
            assert 0 == team.servers[0].process.wait(LIMIT_S)
            let_pass(80)
            os.kill(team.servers[1].process.pid, signal.SIGKILL)
            let_pass(80)
            is_over.set()
            for each in asking:
                each.join()
    except UnobtainableError as error:
        pytest.skip(str(error))
    finally:
        is_over.set()
    assert {200} == {status for status, _ in answers}
    assert 3 == len(Counter(text.split('"text":"')[1][:7] for _, text in answers))
