"""What KEDA asks Prometheus: real metrics, that rise when users wait."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any  # manifests, read as they stand

import httpx
import pytest
from free_ports import free_port
from live_prometheus import Prometheus, prometheus_reading
from manifests import built, find
from obtain.record import UnobtainableError
from routed_team import KEYS, LIMIT_S, team_servers

PARAMETERS = {
    *("serverAddress", "query", "threshold", "activationThreshold", "namespace"),
    *("ignoreNullValues", "unsafeSsl", "timeout", "customHeaders", "queryParameters"),
}
"""What KEDA 2.20 reads of a trigger of Prometheus; to its schema any word is one."""


def triggers() -> dict[str, dict[str, Any]]:
    """Return the triggers by their names."""
    spec: Any = find(built("team"), "ScaledObject")["spec"]
    return {each["name"]: each for each in spec["triggers"]}


def test_servers_are_added_by_what_users_wait_for() -> None:
    """By running requests first, by the first token second; never by a GPU's use."""
    found = triggers()
    assert ["running-requests", "first-token-p95"] == list(found)
    for trigger in found.values():
        assert "prometheus" == trigger["type"]
        assert trigger["metadata"].keys() <= PARAMETERS
        assert float(trigger["metadata"]["threshold"]) > 0
        query = trigger["metadata"]["query"].lower()
        assert not any(word in query for word in ("dcgm", "gpu", "util"))
    assert "AverageValue" == found["running-requests"]["metricType"]
    assert "Value" == found["first-token-p95"]["metricType"]
    spec: Any = find(built("team"), "ScaledObject")["spec"]
    assert 2 <= spec["minReplicaCount"] <= spec["maxReplicaCount"]


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Prometheus, httpx.Client]]:
    """A Prometheus that reads a server which nobody has asked yet, and a client."""
    folder, port = tmp_path_factory.mktemp("scaling"), free_port()
    settings = {"MIDFILL_METRICS_LISTEN": f"127.0.0.1:{port}"}
    try:
        with (
            team_servers(folder, 1, settings) as [server],
            prometheus_reading(port, Path(folder)) as prometheus,
            httpx.Client(
                base_url=f"http://127.0.0.1:{server.port}",
                headers={"Authorization": f"Bearer {KEYS[0]}"},
                timeout=LIMIT_S,
            ) as client,
        ):
            prometheus.wait_for("midfill_running_generations")
            yield prometheus, client
    except UnobtainableError as error:
        pytest.skip(str(error))


@pytest.mark.prometheus
def test_every_query_has_data(measured: tuple[Prometheus, httpx.Client]) -> None:
    """One number each: 0 while nobody asks, and what it says while six ask."""
    prometheus, client = measured
    queries = {
        name: trigger["metadata"]["query"] for name, trigger in triggers().items()
    }
    for query in queries.values():
        assert [0.0] == values(prometheus, query)
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            body = {"prompt": "x = ", "max_tokens": 60}
            assert client.post("/v1/completions", json=body).is_success

    askers = [threading.Thread(target=ask) for _ in range(6)]
    for each in askers:
        each.start()
    try:
        for query in queries.values():
            prometheus.wait_for(f"({query}) > 0")
        [running] = values(prometheus, queries["running-requests"])
        [first_s] = values(prometheus, queries["first-token-p95"])
    finally:
        is_over.set()
        for each in askers:
            each.join()
    assert 0 < running <= 6
    assert 0 < first_s


def values(prometheus: Prometheus, query: str) -> list[float]:
    """Return the numbers that a query has now."""
    found: list[Any] = prometheus.query(query)
    return [float(each["value"][1]) for each in found]
