"""The head of a Ray ends: who is still answered, and what comes back."""

from collections.abc import Iterator

import httpx
import psutil
import pytest
from ray_command import Serving, serving, status

PATIENCE_S = 22
"""For how long Ray goes on without its head; 60 unless it is told."""

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


def test_lost_head_is_said_once_and_requests_go_on(running: Serving) -> None:
    """Until the command ends, with a status that has it started again."""
    below = psutil.Process(running.process.pid).children(recursive=True)
    head_of(running).kill()
    answers = []
    with httpx.Client(base_url=running.url) as client:
        while "does not answer" not in running.log:
            answers.append(client.post("/v1/completions", json=BODY).status_code)
        answers += [
            client.post("/v1/completions", json=BODY).status_code for _ in range(20)
        ]
    shown = status(running.head)
    ended = running.process.wait(90)

    assert set(answers) == {200}
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "no Ray answers there" in shown.stderr
    assert ended == 1
    assert running.log.count("does not answer") == 1
    assert "has not answered for" in running.log
    assert "Traceback" not in running.log
    assert not psutil.wait_procs(below, timeout=60)[1]
