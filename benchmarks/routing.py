"""What vllm-router and HAProxy add to a request: the same one by each way.

``python -m benchmarks.routing`` starts two team servers with the scripted engine behind
the router and the proxy of the Kubernetes overlay, and asks them in turn, one request
at a time, on kept connections.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "editors"))

from routed_team import KEYS, Team, routed_team

_BODY = {"prompt": "x = ", "suffix": "\n", "max_tokens": 1}
_WARM_UP, _COUNT = 20, 300


def main() -> None:
    """Measure each way, and print the median and the 95th percentile."""
    with tempfile.TemporaryDirectory() as folder, routed_team(Path(folder)) as team:
        for name, times_ms in _measure(team).items():
            p95 = statistics.quantiles(times_ms, n=20)[18]
            print(f"{name:32}{statistics.median(times_ms):7.1f} ms {p95:7.1f} ms")


def _measure(team: Team) -> Mapping[str, list[float]]:
    """Return the times of each way; the ways take turns, so that noise hits all."""
    headers = {"Authorization": f"Bearer {KEYS[0]}", "x-session-id": "a"}
    direct = f"http://127.0.0.1:{team.servers[0].port}"
    ways = {
        "server": direct,
        "vllm-router": team.router,
        "proxy, vllm-router": team.proxy,
    }
    times_ms: dict[str, list[float]] = {name: [] for name in ways}
    clients = {
        name: httpx.Client(base_url=url, headers=headers, verify=team.tls)
        for name, url in ways.items()
    }
    for number in range(_WARM_UP + _COUNT):
        for name, client in clients.items():
            began_s = time.perf_counter()
            client.post("/v1/completions", json=_BODY).raise_for_status()
            if number >= _WARM_UP:
                times_ms[name].append((time.perf_counter() - began_s) * 1e3)
    for client in clients.values():
        client.close()
    return times_ms


if __name__ == "__main__":
    main()
