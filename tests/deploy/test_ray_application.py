"""Midfill on Ray Serve, two engines behind two ingresses: REST and editors."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # it comes without types
import httpx
import psutil
import pytest
from piped_editor import Editor
from prometheus_client.parser import text_string_to_metric_families
from ray import serve
from ray.serve.generated import serve_pb2, serve_pb2_grpc
from ray_cluster import NAME, TWO, RayCluster
from ray_load import LIMIT_S, Stream, ask, replicas, until, wait_until
from remote_editor import WebsocketEditor
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lsp_server.access.keys import StoredKey, digest_of, new_secret, time_text
from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.manifest import load_manifest, write_manifest
from lsp_server.modelstore.verify import describe_files
from midfill_ray.application import ENGINES, build

# Ray warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore")

MODEL = shipped_models()[SHIPPED_MODEL]
SECRET = new_secret()
BEARER = {"Authorization": f"Bearer {SECRET}"}
LONG = "21 + " + " + ".join(map(str, range(2000)))
BODY = {"prompt": "x = ", "max_tokens": 8}


def stored(number: int, secret: str) -> StoredKey:
    """Return a key as a key file has it."""
    digest = digest_of(secret).hex()
    return StoredKey(id=f"k_0000000{number}", name="test", sha256=digest)


def write_keys(file: Path, *keys: StoredKey) -> None:
    """Write a key file as `midfill keys` does; the tests' own key is always in it."""
    lines = [each.line for each in (stored(1, SECRET), *keys)]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    file.chmod(0o600)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the key file."""
    file = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    write_keys(file)
    return file


@pytest.fixture(scope="module")
def cluster(shared_ray: RayCluster, keys: Path) -> RayCluster:
    """Run Midfill with two replicas and a key, for all tests of this module."""
    settings: dict[str, dict[str, object]] = {
        "scripted": {"text": LONG, "token_delay_ms": 20},
        "access": {"keys_file": str(keys)},
    }
    shared_ray.deploy(settings, **TWO)
    return shared_ray


@pytest.fixture
def http(cluster: RayCluster) -> Iterator[httpx.Client]:
    """Return a client with the key."""
    with httpx.Client(base_url=cluster.url, headers=BEARER, timeout=LIMIT_S) as client:
        yield client


@pytest.fixture
async def editor(cluster: RayCluster) -> AsyncIterator[Editor]:
    """Connect an editor over the websocket."""
    url = cluster.url.replace("http", "ws") + "/lsp"
    async with connect(url, additional_headers=BEARER, compression=None) as websocket:
        made = WebsocketEditor(websocket)
        yield made
        made.hang_up()
        await asyncio.wait({made.reading}, timeout=LIMIT_S)


def test_a_completion_comes_from_a_replica(http: httpx.Client) -> None:
    """Two hops behind the proxy, the answer is the engine's."""
    answer = http.post("/v1/completions", json=BODY)
    assert 200 == answer.status_code, answer.text
    assert answer.json()["choices"][0]["text"].startswith("21 +")
    assert 200 == http.get("/ready").status_code


def test_an_answer_has_one_id(cluster: RayCluster, http: httpx.Client) -> None:
    """Serve's proxy puts one into every answer: the client's, if it has sent one."""
    for headers in ({}, {"x-request-id": "mine"}):
        for answer in (
            http.post("/v1/completions", json=BODY, headers=headers),
            httpx.get(f"{cluster.url}/v1/models", headers=headers, timeout=LIMIT_S),
        ):
            [shown] = answer.headers.get_list("x-request-id")
            assert shown == headers.get("x-request-id", shown) != ""


def test_a_stream_comes_in_parts(http: httpx.Client) -> None:
    """Tokens are sent on as they come."""
    with http.stream("POST", "/v1/completions", json=BODY | {"stream": True}) as stream:
        events = [line for line in stream.iter_lines() if line]
    assert "data: [DONE]" == events[-1]
    parts = [json.loads(each.removeprefix("data: ")) for each in events[:-1]]
    assert 2 < len(parts)
    whole = "".join(part["choices"][0]["text"] for part in parts if part["choices"])
    assert whole.startswith("21 + 0")


def test_nobody_comes_in_without_a_key(cluster: RayCluster, http: httpx.Client) -> None:
    """Midfill's own keys hold behind Serve's proxy."""
    for headers in ({}, {"Authorization": "Bearer mf_wrong"}):
        with httpx.Client(base_url=cluster.url, timeout=LIMIT_S) as stranger:
            answer = stranger.post("/v1/completions", json=BODY, headers=headers)
            assert 401 == answer.status_code
            assert 200 == stranger.get("/health").status_code
    assert 404 == http.get("/nowhere").status_code


def _ports() -> list[int]:
    """Return where the engines' replicas listen."""
    found = [each.net_connections("tcp") for each in replicas(ENGINES)]
    every = [each for listed in found for each in listed]
    return [each.laddr.port for each in every if each.status == psutil.CONN_LISTEN]


@pytest.mark.usefixtures("cluster")
def test_no_replica_answers_without_rays_token() -> None:
    """It reads pickles at its port for the ingress, from whoever has the token."""
    request = serve_pb2.ASGIRequest(pickled_request_metadata=b"", request_args=b"")
    codes = []
    for port in _ports():
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            service = serve_pb2_grpc.ASGIServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                service.HandleRequest(request, timeout=LIMIT_S)
            codes.append(refused.value.code())
    # Ray's own worker listens, too, and knows no such service.
    assert grpc.StatusCode.UNAUTHENTICATED in codes
    assert {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED} >= {*codes}


async def test_no_editor_comes_in_without_a_key(cluster: RayCluster) -> None:
    """Its handshake is refused."""
    with pytest.raises(InvalidStatus):
        await connect(cluster.url.replace("http", "ws") + "/lsp", open_timeout=LIMIT_S)


async def test_client_that_leaves_ends_its_generation(cluster: RayCluster) -> None:
    """It ends before one that began earlier, and is as long."""
    streams = [Stream(), Stream()]
    async with httpx.AsyncClient(base_url=cluster.url) as client:
        asking = []
        for stream in streams:
            request = ask(client, "s", tokens=1900, key=SECRET, stream=stream)
            asking.append(asyncio.create_task(request))
            await stream.begun.wait()
        staying, leaving = asking
        leaving.cancel()
        await until(lambda: sum(cluster.ongoing().values()) == 1)

        assert not staying.done()
        staying.cancel()


async def test_key_ends_in_every_ingress(cluster: RayCluster, keys: Path) -> None:
    """Revoked or expired, no ingress takes it, whichever a request comes to."""
    lasting, brief = new_secret(), new_secret()
    first, second = stored(2, lasting), stored(3, brief)
    async with (
        httpx.AsyncClient(base_url=cluster.url) as client,
        asyncio.timeout(LIMIT_S),
    ):

        async def becomes(secret: str, status: int) -> None:
            """Ask until every answer is one, so often that each ingress is asked."""
            statuses: set[int] = set()
            while statuses != {status}:
                answers = [
                    await ask(client, "d", tokens=1, key=secret) for _ in range(12)
                ]
                statuses = {each.status for each in answers}

        write_keys(keys, first, second)
        await becomes(lasting, 200)
        await becomes(brief, 200)
        expires = time_text(time.time() + 3)
        write_keys(keys, first, replace(second, expires=expires))
        await becomes(brief, 401)
        await becomes(lasting, 200)
        revoked = replace(first, revoked=time_text(time.time()))
        write_keys(keys, revoked, second)
        await becomes(lasting, 401)


async def test_an_editor_is_served_over_the_websocket(editor: Editor) -> None:
    """The whole protocol runs in the ingress; texts come from a replica."""
    await editor.initialize()
    editor.open("x = \n")
    async with asyncio.timeout(LIMIT_S):
        while not (items := await editor.complete(0, 4)):
            pass
    assert "21" in str(items)


def test_log_lines_have_midfills_own_fields(
    cluster: RayCluster, http: httpx.Client
) -> None:
    """Ray has every record of its processes made with a field of its own."""
    http.post("/v1/completions", json=BODY | {"max_tokens": -1})

    def refused() -> list[str]:
        logs = Path(cluster.folder, "session_latest", "logs").rglob("*.err")
        lines = [line for log in logs for line in log.read_text().splitlines()]
        return [line for line in lines if " rest.refused " in line]

    wait_until(refused)
    assert "request_id=" in refused()[0]
    assert [] == [line for line in refused() if "ray" in line]


def test_metrics_are_those_of_all_replicas(
    cluster: RayCluster, http: httpx.Client
) -> None:
    """One page has every series once, with the names that a single server has."""
    http.post("/v1/completions", json=BODY)

    def page() -> dict[str, list[dict[str, str]]]:
        text = http.get("/metrics").text
        families = list(text_string_to_metric_families(text))
        assert len(families) == len({family.name for family in families})
        return {
            sample.name: [each.labels for each in family.samples]
            for family in families
            for sample in family.samples
        }

    def is_whole() -> bool:
        """Return whether every replica has reported lately, and the request, too."""
        found = page()
        requests = found.get("midfill_requests_total", [])
        running = found.get("midfill_running_generations", [])
        engines = {each.replica for each in cluster.statuses()}
        return (
            {"ingress"} == {labels["deployment"] for labels in requests}
            and 2 == len(engines)
            and engines == {labels["replica"] for labels in running}
        )

    wait_until(is_whole)


def test_two_replicas_report_what_they_are(cluster: RayCluster) -> None:
    """The roster knows every replica."""
    wait_until(lambda: 2 == len({each.replica for each in cluster.statuses()}))
    assert {(SHIPPED_MODEL, "scripted", True)} == {
        (each.model, each.engine, each.is_ready) for each in cluster.statuses()
    }


def test_another_model_under_the_name_is_refused(
    cluster: RayCluster, http: httpx.Client, tmp_path: Path
) -> None:
    """Those that serve go on; a replica with other files does not join them."""
    other = tmp_path / SHIPPED_MODEL
    shutil.copytree(MODEL, other)
    (other / "ATTRIBUTION.md").write_text("Another one.", encoding="utf-8")
    manifest = load_manifest(other)
    write_manifest(other, replace(manifest, files=describe_files(other)))
    wait_until(lambda: 2 == len(cluster.statuses()))
    before = {each.fingerprint for each in cluster.statuses()}
    arguments = cluster.arguments({"model": {"path": str(other)}}, **TWO)
    target = serve.RunTarget(build(arguments), name=NAME)
    serve.run_many([target], wait_for_applications_running=False)

    def is_refused() -> bool:
        engines = serve.status().applications[NAME].deployments[ENGINES]
        return "the other replicas serve" in engines.message

    wait_until(is_refused)
    wait_until(lambda: 2 == len(cluster.statuses()))
    assert before == {each.fingerprint for each in cluster.statuses()}
    assert 200 == http.post("/v1/completions", json=BODY).status_code
