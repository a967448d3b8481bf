"""What Ray Serve adds to a request, and what a Ray takes of memory.

``PYTHONPATH=tests/servers:deploy/ray python -m benchmarks.ray_hop`` starts one team
server and a Ray with two replicas, all with the scripted engine, and asks them in turn,
one streamed request at a time, on kept connections.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil
from ray_cluster import ray_cluster
from team_server import BEARER, SETTINGS, team_server

_BODY = {"prompt": "x = ", "max_tokens": 8, "stream": True}
_DELAY_MS = 5
_WARM_UP, _COUNT = 30, 300


def main() -> None:
    """Measure both, and print medians and 95th percentiles."""
    script = {"token_delay_ms": _DELAY_MS}
    settings = SETTINGS | {"MIDFILL_SCRIPTED_TOKEN_DELAY_MS": str(_DELAY_MS)}
    with (
        tempfile.TemporaryDirectory() as folder,
        team_server(Path(folder), settings) as alone,
        ray_cluster() as cluster,
    ):
        cluster.deploy({"scripted": script}, min_replicas=2, max_replicas=2)
        direct = f"https://127.0.0.1:{alone.port('listen.ready')}"
        with (
            httpx.Client(base_url=direct, verify=alone.tls, headers=BEARER) as server,
            httpx.Client(base_url=cluster.url) as ray,
        ):
            for name, (first_ms, whole_ms) in _measure(
                {"server": server, "Ray Serve": ray}
            ).items():
                print(f"{name:12} first {_of(first_ms)}   whole {_of(whole_ms)}")
        for name, bytes_ in _memory().items():
            print(f"{name:32}{bytes_ / 1e6:8.0f} MB")


def _measure(
    ways: Mapping[str, httpx.Client],
) -> Mapping[str, tuple[list[float], list[float]]]:
    """Return the times to the first and to the last token, in milliseconds.

    The ways take turns, so that noise hits all of them.
    """
    times: dict[str, tuple[list[float], list[float]]] = {
        name: ([], []) for name in ways
    }
    headers = {"x-session-id": "a"}
    for number in range(_WARM_UP + _COUNT):
        for name, client in ways.items():
            began_s = time.perf_counter()
            first_s = 0.0
            with client.stream(
                "POST", "/v1/completions", json=_BODY, headers=headers
            ) as answer:
                answer.raise_for_status()
                for _ in answer.iter_lines():
                    first_s = first_s or time.perf_counter()
            ended_s = time.perf_counter()
            if number >= _WARM_UP:
                first, whole = times[name]
                first.append((first_s - began_s) * 1e3)
                whole.append((ended_s - began_s) * 1e3)
    return times


def _memory() -> Mapping[str, int]:
    """Return the memory of each process of Ray's, shared pages by their share."""
    found: dict[str, int] = {}
    for process in psutil.Process().children(recursive=True):
        words = process.cmdline()
        if not words or "lsp_server" in words:
            continue
        name = words[0] if words[0].startswith("ray::") else Path(process.exe()).name
        found[f"{name} ({process.pid})"] = process.memory_full_info().pss
    return found


def _of(times_ms: list[float]) -> str:
    p95 = statistics.quantiles(times_ms, n=20)[18]
    return f"p50 {statistics.median(times_ms):5.1f} ms, p95 {p95:5.1f} ms"


if __name__ == "__main__":
    main()
