"""The real engine with the shipped model in replicas."""

import asyncio
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest
from ray_cluster import RayCluster, ray_cluster
from ray_load import Stream, ask, has_ended, replicas, until

# Ray warns of itself.
pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore")]

REAL = {"engine": {"kind": "vllm", "device": "cpu"}}


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    """Run a Ray."""
    with ray_cluster() as running:
        yield running


def engines() -> list[psutil.Process]:
    """Return the engine processes of all replicas."""
    return [
        child
        for replica in replicas("engines")
        for child in replica.children(recursive=True)
        if "EngineCore" in " ".join(child.cmdline())
    ]


async def test_replica_with_the_real_engine(cluster: RayCluster) -> None:
    """It completes, ends what nobody waits for, and takes its engine along."""
    cluster.deploy(REAL, omp_threads=2)
    [engine], [replica] = engines(), replicas("engines")

    def running() -> int:
        return sum(each.running for each in cluster.statuses())

    async with httpx.AsyncClient(base_url=cluster.url) as client:
        first = await ask(client, "a.py", tokens=8)
        again = await ask(client, "a.py", tokens=8)
        stream = Stream()
        leaving = asyncio.create_task(ask(client, "b.py", tokens=900, stream=stream))
        await stream.begun.wait()
        leaving.cancel()
        await until(lambda: running() == 0, limit_s=10)
    replica.kill()
    await until(lambda: has_ended(engine), limit_s=20)

    assert first.whole
    assert "value" in first.text
    assert first == again


@pytest.mark.slow
async def test_killed_engine_changes_no_text(cluster: RayCluster) -> None:
    """The other replica writes on where the dead one stopped, token for token."""
    cluster.deploy(REAL, omp_threads=1, min_replicas=2, max_replicas=2)
    async with httpx.AsyncClient(base_url=cluster.url) as client:
        undisturbed = await ask(client, "a.py", tokens=400)
        stream = Stream()
        asking = asyncio.create_task(ask(client, "a.py", tokens=400, stream=stream))
        await stream.begun.wait()
        busy = await asyncio.to_thread(busiest, replicas("engines"))
        busy.kill()
        pieces = len(stream.pieces)
        disturbed = await asking

    assert pieces < len(stream.pieces)
    assert disturbed == undisturbed


def busiest(among: list[psutil.Process]) -> psutil.Process:
    """Return the replica whose engine computes."""
    cores = {engine: engine.cpu_times().user for engine in engines()}
    time.sleep(0.3)
    core = max(cores, key=lambda each: each.cpu_times().user - cores[each])
    return next(each for each in among if each in core.parents())
