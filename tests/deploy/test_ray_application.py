"""Midfill on Ray Serve with two replicas: REST and editors through Serve's proxy."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from piped_editor import Editor
from prometheus_client.parser import text_string_to_metric_families
from ray import serve
from ray_cluster import NAME, RayCluster, ray_cluster
from remote_editor import WebsocketEditor
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lsp_server.access.keys import StoredKey, digest_of, new_secret
from lsp_server.modelstore.manifest import load_manifest, write_manifest
from lsp_server.modelstore.verify import describe_files
from midfill_ray.application import ENGINES, build

# Ray warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore")

MODEL = Path(__file__).parents[2] / "models" / "midfill-starter-88m"
SECRET = new_secret()
BEARER = {"Authorization": f"Bearer {SECRET}"}
LONG = "21 + " + " + ".join(map(str, range(2000)))
BODY = {"prompt": "x = ", "max_tokens": 8}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """Run Midfill with two replicas and a key, for all tests of this module."""
    keys = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    stored = StoredKey(id="k_00000001", name="test", sha256=digest_of(SECRET).hex())
    keys.write_text(stored.line + "\n", encoding="utf-8")
    keys.chmod(0o600)
    with ray_cluster() as running:
        settings = {"scripted": {"text": LONG}, "access": {"keys_file": str(keys)}}
        running.deploy(settings, min_replicas=2, max_replicas=2)
        yield running


@pytest.fixture
def http(cluster: RayCluster) -> Iterator[httpx.Client]:
    """Return a client with the key."""
    with httpx.Client(base_url=cluster.url, headers=BEARER, timeout=20) as client:
        yield client


@pytest.fixture
async def editor(cluster: RayCluster) -> AsyncIterator[Editor]:
    """Connect an editor over the websocket."""
    url = cluster.url.replace("http", "ws") + "/lsp"
    async with connect(url, additional_headers=BEARER, compression=None) as websocket:
        made = WebsocketEditor(websocket)
        yield made
        made.hang_up()
        await asyncio.wait({made.reading}, timeout=20)


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    ends_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends_s, what
        time.sleep(0.1)


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
            httpx.get(f"{cluster.url}/v1/models", headers=headers),
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
        answer = httpx.post(f"{cluster.url}/v1/completions", json=BODY, headers=headers)
        assert 401 == answer.status_code
    assert 200 == httpx.get(f"{cluster.url}/health").status_code
    assert 404 == http.get("/nowhere").status_code


async def test_no_editor_comes_in_without_a_key(cluster: RayCluster) -> None:
    """Its handshake is refused."""
    with pytest.raises(InvalidStatus):
        await connect(cluster.url.replace("http", "ws") + "/lsp")


def test_a_session_stays_and_ends_with_its_client(
    cluster: RayCluster, http: httpx.Client
) -> None:
    """Each goes to one replica, all of them to both; none runs on for nobody."""
    body = BODY | {"max_tokens": 1900, "stream": True}
    replicas: dict[str, str] = {}
    for session in [f"s{number}" for number in range(6)] * 2:
        headers = {"x-session-id": session}
        with http.stream("POST", "/v1/completions", json=body, headers=headers) as got:
            assert 200 == got.status_code
            lines = got.iter_lines()
            next(lines)
            [replica] = [name for name, count in cluster.ongoing().items() if count]
        eventually(lambda: not any(cluster.ongoing().values()), "the replica stops")
        assert replica == replicas.setdefault(session, replica)
    assert 2 == len(set(replicas.values()))


async def test_an_editor_is_served_over_the_websocket(editor: Editor) -> None:
    """The whole protocol runs in the ingress; texts come from a replica."""
    async with asyncio.timeout(20):
        await editor.initialize()
        editor.open("x = \n")
        assert "21" in json.dumps(await editor.complete(0, 4))


def test_log_lines_have_midfills_own_fields(
    cluster: RayCluster, http: httpx.Client
) -> None:
    """Ray has every record of its processes made with a field of its own."""
    http.post("/v1/completions", json=BODY | {"max_tokens": -1})

    def refused() -> list[str]:
        logs = Path(cluster.folder, "session_latest", "logs").rglob("*.err")
        lines = [line for log in logs for line in log.read_text().splitlines()]
        return [line for line in lines if " rest.refused " in line]

    eventually(lambda: bool(refused()), "it was logged")
    assert "request_id=" in refused()[0]
    assert [] == [line for line in refused() if "ray" in line]


def test_metrics_are_those_of_all_replicas(
    cluster: RayCluster, http: httpx.Client
) -> None:
    """One page has every series once, with the names that a single server has."""
    http.post("/v1/completions", json=BODY)

    def page() -> dict[str, list[dict[str, str]]]:
        text = http.get("/metrics").raise_for_status().text
        families = list(text_string_to_metric_families(text))
        assert len(families) == len({family.name for family in families})
        return {
            sample.name: [each.labels for each in family.samples]
            for family in families
            for sample in family.samples
        }

    eventually(lambda: bool(page().get("midfill_requests_total")), "it was counted")
    found = page()
    assert {"ingress"} == {
        labels["deployment"] for labels in found["midfill_requests_total"]
    }
    engines = {each.replica for each in cluster.statuses()}
    running = found["midfill_running_generations"]
    assert engines == {labels["replica"] for labels in running}


def test_two_replicas_report_what_they_are(cluster: RayCluster) -> None:
    """The roster knows every replica."""
    statuses = cluster.statuses()
    assert 2 == len({each.replica for each in statuses})
    assert {("midfill-starter-88m", "scripted", True)} == {
        (each.model, each.engine, each.is_ready) for each in statuses
    }


def test_another_model_under_the_name_is_refused(
    cluster: RayCluster, http: httpx.Client, tmp_path: Path
) -> None:
    """Those that serve go on; a replica with other files does not join them."""
    other = tmp_path / "midfill-starter-88m"
    shutil.copytree(MODEL, other)
    (other / "ATTRIBUTION.md").write_text("Another one.", encoding="utf-8")
    manifest = load_manifest(other)
    write_manifest(other, replace(manifest, files=describe_files(other)))
    before = cluster.statuses()
    arguments = cluster.arguments({"model": {"path": str(other)}}, min_replicas=2)
    target = serve.RunTarget(build(arguments), name=NAME)
    serve.run_many([target], wait_for_applications_running=False)

    def is_refused() -> bool:
        engines = serve.status().applications[NAME].deployments[ENGINES]
        return "the other replicas serve" in engines.message

    eventually(is_refused, "the new replica is refused")
    assert {each.fingerprint for each in before} == {
        each.fingerprint for each in cluster.statuses()
    }
    assert 200 == http.post("/v1/completions", json=BODY).status_code
