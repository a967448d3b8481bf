"""What Ray Serve adds to a request and to its end, in time, processor and memory.

``python -m benchmarks.ray_hop`` starts one team server and a Ray with two replicas, all
with the scripted engine, and asks them in turn, one streamed request at a time, on kept
connections: streamed and whole answers, of one and of many messages between replica and
ingress. What each process takes of the processor is its own time for a request: what it
takes without one is measured before, and taken off. Then clients leave Ray's in the
middle of an answer, and it asks the replicas until none works on it any more.
"""

import argparse
import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import psutil
import ray
from ray.actor import ActorHandle

from benchmarks.surge_cluster import processor_s

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))

from ray_cluster import RayCluster, ray_cluster
from team_server import BEARER, SETTINGS, team_server

_BODIES = {
    "1 token": {"prompt": "x = ", "max_tokens": 1, "stream": True},
    "8 tokens": {"prompt": "x = ", "max_tokens": 8, "stream": True},
    "32 tokens": {"prompt": "x = ", "max_tokens": 32, "stream": True},
    "32 tokens, whole": {"prompt": "x = ", "max_tokens": 32},
}
_DELAY_MS = 5
_IDLE_S = 10.0
_LIMIT_S = 120.0
_WARM_UP = 30
_LONG = {"prompt": "x = ", "max_tokens": 900}
_LONG_TEXT = "21 + " + " + ".join(map(str, range(1000)))
_LEAVES_AFTER_S = 0.1
_AIM_MS = 250


def main() -> None:
    """Measure both, and print medians and 95th percentiles."""
    parser = argparse.ArgumentParser(description="Measure what Ray Serve adds.")
    parser.add_argument("--requests", type=int, default=100, help="of each kind (100)")
    parser.add_argument(
        "--leaving", type=int, default=100, help="clients that go (100)"
    )
    arguments = parser.parse_args()
    script = {"token_delay_ms": _DELAY_MS, "text": _LONG_TEXT}
    settings = SETTINGS | {"MIDFILL_SCRIPTED_TOKEN_DELAY_MS": str(_DELAY_MS)}
    with (
        tempfile.TemporaryDirectory() as folder,
        team_server(Path(folder), settings) as alone,
        ray_cluster() as cluster,
    ):
        cluster.deploy({"scripted": script}, min_replicas=2, max_replicas=2)
        direct = f"https://127.0.0.1:{alone.port('listen.ready')}"
        with (
            httpx.Client(
                base_url=direct, verify=alone.tls, headers=BEARER, timeout=_LIMIT_S
            ) as server,
            httpx.Client(base_url=cluster.url, timeout=_LIMIT_S) as served,
        ):
            process = psutil.Process(alone.process.pid)
            began_s = _taken_s(process)
            time.sleep(_IDLE_S)
            idle = _less(_taken_s(process), began_s, 1 / _IDLE_S)
            print(f"{'without requests':18}{_each(idle)} ms/s")
            ways = {"server": server, "Ray Serve": served}
            for body_name, body in _BODIES.items():
                began_s, start_s = _taken_s(process), time.perf_counter()
                times = _measure(ways, body, arguments.requests)
                lasted_s = time.perf_counter() - start_s
                taken = _less(_taken_s(process), began_s, 1.0)
                own = _less(taken, idle, 1 / (_WARM_UP + arguments.requests), lasted_s)
                for name, (first_ms, whole_ms) in times.items():
                    shown = f"first {_of(first_ms)}   whole {_of(whole_ms)}"
                    print(f"{body_name:18}{name:10}{shown}")
                print(f"{body_name:18}{_each(own)} ms of the processor")
        for streams in (True, False):
            ended_ms = _leave(cluster, arguments.leaving, streams=streams)
            late = sum(each > _AIM_MS for each in ended_ms)
            print(
                f"{'streamed' if streams else 'whole':8} left: {_of(ended_ms)}, "
                f"longest {max(ended_ms):.0f} ms, {late} of {len(ended_ms)} "
                f"above {_AIM_MS} ms"
            )
        for name, bytes_ in _memory().items():
            print(f"{name:32}{bytes_ / 1e6:8.0f} MB")


def _taken_s(server: psutil.Process) -> Mapping[str, float]:
    """Return the processor's time that the server and each part of Ray have taken."""
    times = server.cpu_times()
    return {"server": times.user + times.system, **processor_s()}


def _less(
    taken: Mapping[str, float],
    other: Mapping[str, float],
    factor: float,
    times: float = 1.0,
) -> Mapping[str, float]:
    """Return for each part ``(taken - times * other) * factor``."""
    return {name: (each - times * other[name]) * factor for name, each in taken.items()}


def _each(taken: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {each * 1e3:.1f}" for name, each in taken.items())


def _measure(
    ways: Mapping[str, httpx.Client], body: Mapping[str, object], count: int
) -> Mapping[str, tuple[list[float], list[float]]]:
    """Return the times to the first and to the last token, in milliseconds.

    The ways take turns, so that noise hits all of them.
    """
    times: dict[str, tuple[list[float], list[float]]] = {
        name: ([], []) for name in ways
    }
    headers = {"x-session-id": "a"}
    for number in range(_WARM_UP + count):
        for name, client in ways.items():
            began_s = time.perf_counter()
            first_s = 0.0
            with client.stream(
                "POST", "/v1/completions", json=body, headers=headers
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


def _leave(cluster: RayCluster, count: int, *, streams: bool) -> list[float]:
    """Return for how many milliseconds generations went on behind their clients.

    A client closes its connection after a tenth of a second, or a streamed one's first
    event.
    """
    actors = list(cluster.actors().values())
    times_ms = []
    for number in range(count):
        headers = {"x-session-id": str(number)}
        body = {**_LONG, "stream": streams}
        with socket.create_connection(("127.0.0.1", cluster.port)) as client:
            client.sendall(_request(body, headers))
            if streams:
                while b"data:" not in client.recv(65_536):
                    pass
            time.sleep(_LEAVES_AFTER_S)
            while not _ongoing(actors):
                pass
        began_s = time.perf_counter()
        while _ongoing(actors):
            pass
        times_ms.append((time.perf_counter() - began_s) * 1e3)
    return times_ms


def _request(body: Mapping[str, object], headers: Mapping[str, str]) -> bytes:
    """Return a request for a completion as it is sent."""
    content = json.dumps(body)
    lines = [
        "POST /v1/completions HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(content)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", content]).encode()


def _ongoing(actors: Sequence[ActorHandle]) -> int:
    """Return how many requests the replicas work on."""
    return sum(ray.get([each.get_num_ongoing_requests.remote() for each in actors]))


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
