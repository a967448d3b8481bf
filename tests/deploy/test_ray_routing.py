"""Which replica a request comes to, and how many replicas there are."""

import asyncio

import httpx
import pytest
import ray
from ray.util import placement_group_table
from ray_cluster import RayCluster
from ray_load import LIMIT_S, Stream, ask, replicas, typing, until, wait_until

# Ray warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore")

KNEE = 4
TEXT = "21 + 21 + " * 300


def taken_by(cluster: RayCluster) -> dict[str, int]:
    """Return how many generations each of two replicas has taken."""
    # One that has had no time to report for a while is missing until it does.
    wait_until(lambda: len(cluster.statuses()) == 2)
    counts = {each.replica: each.taken for each in cluster.statuses()}
    return counts if len(counts) == 2 else taken_by(cluster)


async def taken(cluster: RayCluster, before: dict[str, int], count: int) -> list[int]:
    """Return how many of so many generations each replica took, the fewest first."""
    found: list[int] = []
    async with asyncio.timeout(LIMIT_S):
        while sum(found) != count:
            now = await asyncio.to_thread(taken_by, cluster)
            found = sorted(now[name] - before[name] for name in before)
    return found


@pytest.fixture(scope="module")
def pair(shared_ray: RayCluster) -> RayCluster:
    """Deploy two replicas."""
    shared_ray.deploy(
        {"scripted": {"text": TEXT, "token_delay_ms": 30}},
        min_replicas=2,
        max_replicas=2,
        target_ongoing_requests=KNEE,
        num_cpus=0.5,
    )
    return shared_ray


async def test_document_stays_on_its_replica(pair: RayCluster) -> None:
    """A hundred requests of one document come to one replica, where its KV cache is."""
    before = await asyncio.to_thread(taken_by, pair)
    async with httpx.AsyncClient(base_url=pair.url) as client:
        for _ in range(100):
            assert (await ask(client, "a.py", tokens=1)).whole

    assert await taken(pair, before, 100) == [0, 100]


async def test_documents_are_spread(pair: RayCluster) -> None:
    """Different documents come to different replicas."""
    before = await asyncio.to_thread(taken_by, pair)
    async with httpx.AsyncClient(base_url=pair.url) as client:
        for number in range(40):
            assert (await ask(client, f"{number}.py", tokens=1)).whole

    fewest, _ = await taken(pair, before, 40)
    # Replicas have other places on the ring each time: one has fewer than four of the
    # documents in two of ten million runs.
    assert fewest >= 4


async def test_hot_document_goes_to_the_other_replica_too(pair: RayCluster) -> None:
    """Beyond the knee the KV cache is not worth the wait."""
    before = await asyncio.to_thread(taken_by, pair)
    async with httpx.AsyncClient(base_url=pair.url) as client:
        running = []
        for _ in range(3 * KNEE):
            # Each has begun before the next is sent, and none ends before the last.
            stream = Stream()
            request = ask(client, "a.py", tokens=1500, stream=stream)
            running.append(asyncio.create_task(request))
            await stream.begun.wait()
        for each in running:
            each.cancel()
        await asyncio.wait(running)

    fewest, most = await taken(pair, before, 3 * KNEE)
    assert most >= KNEE
    # By the bound a quarter at least; each ingress counts what it sent itself.
    assert fewest >= KNEE // 2


async def test_replicas_come_and_go_with_the_load(shared_ray: RayCluster) -> None:
    """From one to two and back to one, and nobody who types loses a request."""
    cluster = shared_ray
    cluster.deploy(
        {"scripted": {"text": TEXT, "token_delay_ms": 20}},
        min_replicas=1,
        max_replicas=2,
        target_ongoing_requests=KNEE,
        upscale_delay_s=0.5,
        downscale_delay_s=2,
        metrics_interval_s=0.5,
        look_back_period_s=2,
        num_cpus=0.5,
    )
    # Ray begins with as many as were deployed before.
    await until(lambda: len(replicas("engines")) == 1)
    async with typing(cluster.url, typists=2, tokens=60) as few:
        async with typing(cluster.url, typists=3 * KNEE, tokens=60) as many:
            await until(lambda: len(cluster.statuses()) == 2)
        # The replica that goes may have requests of those who go on.
        await until(lambda: len(replicas("engines")) == 1)

    assert (few.failed, many.failed) == ({}, {})


def test_model_of_two_gpus_has_them_on_one_node(shared_ray: RayCluster) -> None:
    """Tensor parallel: a replica's bundle has all the GPUs of its model."""
    shared_ray.deploy(
        {"engine": {"tensor_parallel_size": 2}}, num_gpus=2, num_cpus=1, max_replicas=1
    )
    [group] = [
        each for each in placement_group_table().values() if each["state"] == "CREATED"
    ]

    assert group["strategy"] == "STRICT_PACK"
    assert list(group["bundles"].values()) == [{"CPU": 1.0, "GPU": 2.0}]
    wait_until(lambda: ray.available_resources().get("GPU", 0) == 0)
