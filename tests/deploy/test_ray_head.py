"""The head of a Ray ends: who is still answered, and what comes back."""

import asyncio
from collections.abc import Iterator

import httpx
import psutil
import pytest
from ray_command import Serving, serving, status
from ray_load import LIMIT_S, has_ended, until

PATIENCE_S = 30
"""For how long Ray goes on without its head; 60 unless it is told."""

ANSWERING = ("ray::ServeReplica", "ray::ProxyActor")
BODY = {"prompt": "x = ", "max_tokens": 2}


@pytest.fixture
def running() -> Iterator[Serving]:
    """Run `midfill ray serve`, whose Ray has less patience than usual."""
    with serving(RAY_gcs_rpc_server_reconnect_timeout_s=str(PATIENCE_S)) as made:
        yield made


def head_of(running: Serving) -> psutil.Process:
    """Return the process of the head: Ray's GCS."""
    below = psutil.Process(running.process.pid).children(recursive=True)
    [head] = [each for each in below if each.name() == "gcs_server"]
    return head


async def test_lost_head_is_said_once_and_requests_go_on(running: Serving) -> None:
    """Until the command ends, with a status that has it started again."""
    below = psutil.Process(running.process.pid).children(recursive=True)
    # Ray's own agents take a minute to notice.
    answering = [each for each in below if each.cmdline()[0].startswith(ANSWERING)]
    head_of(running).kill()
    answers = []
    async with httpx.AsyncClient(base_url=running.url, timeout=LIMIT_S) as client:
        while "does not answer" not in running.log:
            answers.append(await client.post("/v1/completions", json=BODY))
        answers += [await client.post("/v1/completions", json=BODY) for _ in range(5)]
    shown = await asyncio.to_thread(status, running.head)
    ended = await asyncio.to_thread(running.process.wait, LIMIT_S)

    assert {each.status_code for each in answers} == {200}
    assert len(answering) == 4
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "no Ray answers there" in shown.stderr
    assert ended == 1
    assert running.log.count("does not answer") == 1
    assert "has not answered for" in running.log
    assert "Traceback" not in running.log
    await until(lambda: all(has_ended(each) for each in answering))
