"""Faults of a cluster under load: what its clients notice, and what comes back."""

import asyncio

import httpx
import pytest
from ray_cluster import TWO, RayCluster
from ray_load import Answer, Stream, ask, replicas, typing, until

# Ray warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore")

LONG = {"text": "21 + 21 + " * 60, "token_delay_ms": 40}


@pytest.fixture(scope="module")
def cluster(shared_ray: RayCluster) -> RayCluster:
    """Run Midfill with two engines behind two ingress replicas."""
    shared_ray.deploy({"scripted": LONG}, **TWO)
    return shared_ray


async def killed_under_load(cluster: RayCluster, deployment: str) -> list[Answer]:
    """Kill one of two replicas that both have streams, and return what came of them.

    Returns when the replica has a successor.
    """
    before = replicas(deployment)
    tasks: list[asyncio.Task[Answer]] = []
    async with (
        httpx.AsyncClient(base_url=cluster.url) as client,
        asyncio.TaskGroup() as group,
    ):
        ongoing: dict[str, int] = {}
        while sum(map(bool, ongoing.values())) < 2:
            stream = Stream()
            request = ask(client, f"d{len(tasks)}", tokens=200, stream=stream)
            tasks.append(group.create_task(request))
            await stream.begun.wait()
            ongoing = await asyncio.to_thread(cluster.ongoing, deployment)
        before[0].kill()
        assert (await ask(client, "later", tokens=4)).whole
    await until(
        lambda: (
            len(replicas(deployment)) == 2
            and before[0] not in replicas(deployment)
            and len(cluster.statuses(deployment)) == 2
        )
    )
    return [task.result() for task in tasks]


async def test_killed_engine_costs_no_stream(cluster: RayCluster) -> None:
    """What it leaves when it dies in the middle is completed by the other one."""
    answers = await killed_under_load(cluster, "engines")

    assert [each for each in answers if not each.whole] == []


async def test_killed_ingress_costs_its_own_streams_alone(cluster: RayCluster) -> None:
    """Their clients get an error; the others' streams and later requests are whole."""
    answers = await killed_under_load(cluster, "ingress")

    broken = [each for each in answers if not each.whole]
    assert 0 < len(broken) < len(answers)
    assert all(each.error for each in broken)


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
            # The other one gets no more than health checks and what comes later.
            "scripted": {"token_delay_ms": 1, "die_after_requests": 80},
        },
        **TWO,
    )
    before = {each.pid for each in replicas("engines")}
    async with httpx.AsyncClient(base_url=cluster.url) as client:
        answers = [await ask(client, "d", tokens=4) for _ in range(82)]
        await until(
            lambda: len({each.pid for each in replicas("engines")} & before) == 1
        )
        answers += [await ask(client, "d", tokens=4) for _ in range(4)]

    assert [each for each in answers if not each.whole] == []
