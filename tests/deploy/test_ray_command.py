"""``midfill ray``: a Ray of its own on this machine, from its start to its end."""

import json
import os
import signal
import subprocess

import httpx
import psutil
import pytest
from free_ports import free_port
from ray_command import MIDFILL, serving, status
from ray_load import LIMIT_S

from lsp_server.commands import entry
from lsp_server.config import SHIPPED_MODEL


def test_serves_tells_and_ends_in_order() -> None:
    """With a token that others lack, and with no process left."""
    with serving() as running:
        answer = httpx.post(
            f"{running.url}/v1/completions",
            json={"prompt": "x = ", "max_tokens": 2},
            timeout=LIMIT_S,
        )
        assert 200 == answer.status_code, answer.text
        shown = status(running.head)
        assert 0 == shown.returncode, shown.stderr
        [engine] = json.loads(shown.stdout)["engines"]
        assert (True, SHIPPED_MODEL) == (engine["is_ready"], engine["model"])
        refused = status(
            running.head, RAY_AUTH_TOKEN="0" * 64, RAY_NUM_REDIS_GET_RETRIES="1"
        )
        assert (1, "") == (refused.returncode, refused.stdout)
        below = psutil.Process(running.process.pid).children(recursive=True)
        running.process.send_signal(signal.SIGTERM)
        assert 0 == running.process.wait(LIMIT_S)
    assert not psutil.wait_procs(below, timeout=LIMIT_S)[1]


def test_says_what_is_missing_without_ray(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And how to get it."""
    monkeypatch.setattr(entry, "_OF_RAY", "midfill_ray.not_there")
    assert 1 == entry.main(["ray", "status"])
    assert "make install-ray" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--option", "num_gpu=1"], "args.num_gpu: there is no such option. See docs"),
        (["--option", "num_gpus=-1"], "args.num_gpus: it should be greater"),
        (["--option", "num_gpus"], "NAME=VALUE"),
        (["--host", "192.0.2.1"], "no TLS and no API key. Listen on"),
        (["--address", "127.0.0.1:9"], "no Ray answers there"),
        (["--replace"], "Say with --address where the Ray is"),
    ],
)
def test_a_wrong_word_is_said_before_ray_starts(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address that others reach is one of them, and a cluster that is not there."""
    assert 1 == entry.main(["ray", "serve", *words])
    assert says in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "names", "remedy"),
    [
        pytest.param(
            ["--model", "no-such-model"], "no-such-model", "midfill models", id="model"
        ),
        pytest.param(
            ["--option", "num_gpus=99"], "ask for 99, and Ray finds", "doctor", id="gpu"
        ),
    ],
)
def test_what_cannot_start_says_why(words: list[str], names: str, remedy: str) -> None:
    """What a replica died of, or that no node could ever take it, and what to do."""
    done = subprocess.run(
        [*MIDFILL, "serve", "--port", str(free_port()), *words],
        env=os.environ | {"MIDFILL_ENGINE_KIND": "scripted"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == done.returncode, done.stdout
    said = done.stderr[done.stderr.rindex("midfill ray: ") :]
    assert names in said
    assert remedy in said
    assert "Traceback" not in said


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none_is_refused(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ray would start first, and its proxy would die of it."""
    with pytest.raises(SystemExit):
        entry.main(["ray", "serve", "--port", port])
    assert "argument --port" in capsys.readouterr().err
