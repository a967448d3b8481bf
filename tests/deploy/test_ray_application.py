"""Midfill on Ray Serve with two replicas: REST and editors through Serve's proxy."""

import json
from collections.abc import Iterator

import httpx
import pytest
from ray_cluster import RayCluster, ray_cluster

# Ray warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Run Midfill with two replicas, for all tests of this module."""
    with ray_cluster() as running:
        running.deploy(min_replicas=2, max_replicas=2)
        yield running


@pytest.fixture
def http(cluster: RayCluster) -> Iterator[httpx.Client]:
    """Return a client without a key."""
    with httpx.Client(base_url=cluster.url, timeout=20) as client:
        yield client


def test_a_completion_comes_from_a_replica(http: httpx.Client) -> None:
    """Two hops behind the proxy, the answer is the engine's."""
    answer = http.post("/v1/completions", json={"prompt": "x = ", "max_tokens": 4})
    assert 200 == answer.status_code, answer.text
    assert answer.json()["choices"][0]["text"].startswith("21 +")
    assert 200 == http.get("/ready").status_code


def test_a_stream_comes_in_parts(http: httpx.Client) -> None:
    """Tokens are sent on as they come."""
    body = {"prompt": "x = ", "max_tokens": 8, "stream": True}
    with http.stream("POST", "/v1/completions", json=body) as stream:
        events = [line for line in stream.iter_lines() if line]
    assert "data: [DONE]" == events[-1]
    parts = [json.loads(each.removeprefix("data: ")) for each in events[:-1]]
    assert 2 < len(parts)
    whole = "".join(part["choices"][0]["text"] for part in parts if part["choices"])
    assert whole.startswith("21 + 21")


def test_two_replicas_report_what_they_are(cluster: RayCluster) -> None:
    """The roster knows every replica."""
    statuses = cluster.statuses()
    assert 2 == len({each.replica for each in statuses})
    assert {("midfill-starter-88m", "scripted", True)} == {
        (each.model, each.engine, each.is_ready) for each in statuses
    }
