"""Faults of a cluster under load: what its clients notice, and what comes back."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest
from ray_cluster import RayCluster, ray_cluster
from ray_load import Answer, Stream, ask, replicas, typing, until

from lsp_server.access.keys import StoredKey, digest_of, new_secret, time_text

# Ray warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).parents[2]
LONG = {"text": "21 + 21 + " * 60, "token_delay_ms": 40}
TWO = {
    "min_replicas": 2,
    "max_replicas": 2,
    "num_cpus": 0.5,
    "ingress_replicas": 2,
    "ingress_cpus": 0.1,
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Run Midfill with two engines behind two ingress replicas."""
    with ray_cluster() as running:
        running.deploy({"scripted": LONG}, **TWO)
        yield running


async def killed_under_load(
    cluster: RayCluster, victim: psutil.Process, deployment: str
) -> list[Answer]:
    """Kill a replica in the middle of eight streams, and return what came of them.

    Returns when the replica has a successor.
    """
    streams = [Stream() for _ in range(8)]
    async with (
        httpx.AsyncClient(base_url=cluster.url) as client,
        asyncio.TaskGroup() as group,
    ):
        tasks = [
            group.create_task(ask(client, f"d{number}", tokens=60, stream=stream))
            for number, stream in enumerate(streams)
        ]
        for stream in streams:
            await stream.begun.wait()
        victim.kill()
        assert (await ask(client, "later", tokens=4)).whole
    await until(
        lambda: (
            len(replicas(deployment)) == 2
            and victim not in replicas(deployment)
            and len(cluster.statuses(deployment)) == 2
        )
    )
    return [task.result() for task in tasks]


async def test_killed_engine_costs_no_stream(cluster: RayCluster) -> None:
    """What it leaves when it dies in the middle is completed by the other one."""
    victim = replicas("engines")[0]

    answers = await killed_under_load(cluster, victim, "engines")

    assert [each for each in answers if not each.whole] == []


async def test_killed_ingress_costs_its_own_streams_alone(cluster: RayCluster) -> None:
    """Their clients get an error; the others' streams and later requests are whole."""
    victim = replicas("ingress")[0]

    answers = await killed_under_load(cluster, victim, "ingress")

    broken = [each for each in answers if not each.whole]
    assert 0 < len(broken) < len(answers)
    assert all(each.error for each in broken)


async def test_client_that_leaves_ends_its_generation(cluster: RayCluster) -> None:
    """Nothing is generated for a closed connection, though it would take long."""

    def running() -> int:
        return sum(each.running for each in cluster.statuses())

    async with httpx.AsyncClient(base_url=cluster.url) as client:
        stream = Stream()
        asking = asyncio.create_task(ask(client, "d", tokens=240, stream=stream))
        await stream.begun.wait()
        await until(lambda: running() == 1)
        asking.cancel()
        await until(lambda: running() == 0, limit_s=6)


async def test_update_under_load_drops_nothing(cluster: RayCluster) -> None:
    """Every replica is replaced while typists ask, and each request is answered."""
    before = {each.pid for each in replicas("engines") + replicas("ingress")}
    async with typing(cluster.url, typists=6, tokens=20) as load:
        await asyncio.to_thread(
            cluster.deploy, {"scripted": {**LONG, "token_delay_ms": 20}}, **TWO
        )
        await until(
            lambda: (
                not before.intersection(
                    each.pid for each in replicas("engines") + replicas("ingress")
                )
            )
        )

    assert load.failed == {}


async def test_sick_replica_is_replaced(cluster: RayCluster) -> None:
    """Its engine was given up: until it is replaced, the other one answers."""
    cluster.deploy(
        {
            "engine": {"max_restarts": 0},
            "scripted": {"token_delay_ms": 1, "die_after_requests": 60},
        },
        **TWO,
    )
    before = {each.pid for each in replicas("engines")}
    async with httpx.AsyncClient(base_url=cluster.url) as client:
        answers = [await ask(client, "d", tokens=4) for _ in range(70)]
        await until(
            lambda: len({each.pid for each in replicas("engines")} & before) == 1
        )
        answers += [await ask(client, "d", tokens=4) for _ in range(20)]

    assert [each for each in answers if not each.whole] == []


async def test_key_ends_in_every_ingress(cluster: RayCluster, tmp_path: Path) -> None:
    """Revoked or expired, no ingress takes it, whichever a request comes to."""
    lasting, brief = new_secret(), new_secret()
    first = StoredKey(id="k_00000001", name="one", sha256=digest_of(lasting).hex())
    second = StoredKey(id="k_00000002", name="two", sha256=digest_of(brief).hex())
    file = tmp_path / "keys.jsonl"
    write_keys(file, [first])
    cluster.deploy({"access": {"keys_file": str(file)}}, **TWO)
    async with httpx.AsyncClient(base_url=cluster.url) as client, asyncio.timeout(60):

        async def becomes(secret: str, status: int) -> None:
            """Ask until every answer is one, so often that each ingress is asked."""
            statuses: set[int] = set()
            while statuses != {status}:
                answers = [await ask(client, "d", key=secret) for _ in range(12)]
                statuses = {each.status for each in answers}

        await becomes(lasting, 200)
        write_keys(file, [first, replace(second, expires=time_text(time.time() + 6))])
        await becomes(brief, 200)
        await becomes(brief, 401)
        await becomes(lasting, 200)
        revoked = replace(first, revoked=time_text(time.time()))
        write_keys(file, [revoked, second])
        await becomes(lasting, 401)


def write_keys(file: Path, keys: list[StoredKey]) -> None:
    """Write a key file as `midfill keys` does."""
    file.write_text("".join(f"{each.line}\n" for each in keys), encoding="utf-8")
    file.chmod(0o600)
