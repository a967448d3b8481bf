"""The real engine with the shipped model in replicas."""

import asyncio
import time

import httpx
import psutil
import pytest
from ray_cluster import RayCluster
from ray_load import Stream, ask, has_ended, replicas, until

# Ray warns of itself.
pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore")]

REAL = {"engine": {"kind": "vllm", "device": "cpu"}}


def engines() -> list[psutil.Process]:
    """Return the engine processes of all replicas."""
    return [
        child
        for replica in replicas("engines")
        for child in replica.children(recursive=True)
        if "EngineCore" in " ".join(child.cmdline())
    ]


async def test_replica_with_the_real_engine(shared_ray: RayCluster) -> None:
    """It completes, ends what nobody waits for, and takes its engine along."""
    # Ray would begin with as many replicas as were deployed before.
    shared_ray.deploy(REAL, omp_threads=2, max_replicas=1)
    await until(lambda: len(replicas("engines")) == len(engines()) == 1)
    [engine], [replica] = engines(), replicas("engines")

    async with httpx.AsyncClient(base_url=shared_ray.url) as client:
        first = await ask(client, "a.py", tokens=8)
        again = await ask(client, "a.py", tokens=8)
        asking = []
        for _ in range(2):
            stream = Stream()
            request = ask(client, "b.py", tokens=1500, stream=stream)
            asking.append(asyncio.create_task(request))
            await stream.begun.wait()
        staying, leaving = asking
        leaving.cancel()
        # It ends before one that began earlier, and is as long.
        await until(lambda: sum(shared_ray.ongoing().values()) == 1)
        assert not staying.done()
        staying.cancel()
    replica.kill()
    await until(lambda: has_ended(engine))

    assert first.whole
    assert "value" in first.text
    assert first == again


@pytest.mark.slow
async def test_killed_engine_changes_no_text(shared_ray: RayCluster) -> None:
    """The other replica writes on where the dead one stopped, token for token."""
    cluster = shared_ray
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
