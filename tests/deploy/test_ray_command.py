"""``midfill ray``: a Ray of its own on this machine, from its start to its end."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from ray_cluster import free_port

from lsp_server.commands import entry

MIDFILL = [sys.executable, "-m", "lsp_server", "ray"]


@contextlib.contextmanager
def serving() -> Iterator[tuple["subprocess.Popen[str]", str, str]]:
    """Run `midfill ray serve`; yields its process, its address and that of its Ray."""
    # Ray's sockets lie in it, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        environment = os.environ | {
            "MIDFILL_ENGINE_KIND": "scripted",
            "RAY_TMPDIR": folder,
        }
        with log.open("w") as output:
            process = subprocess.Popen(
                [*MIDFILL, "serve", "--port", str(free_port()), "--replicas", "1"],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        try:
            ready = re.compile(r"Ready at (\S+) \(Ray at (\S+)\)")
            ends_s = time.monotonic() + 180
            while not (found := ready.search(log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < ends_s, log.read_text()
                time.sleep(0.1)
            yield process, found[1], found[2]
        finally:
            process.kill()
            process.wait()


def status(address: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `midfill ray status --json`."""
    return subprocess.run(
        [*MIDFILL, "status", "--json", "--address", address],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_serves_tells_and_ends_in_order() -> None:
    """With a token that others lack, and with no process left."""
    with serving() as (process, url, address):
        answer = httpx.post(
            f"{url}/v1/completions", json={"prompt": "x = ", "max_tokens": 2}
        )
        assert 200 == answer.status_code, answer.text
        shown = status(address)
        assert 0 == shown.returncode, shown.stderr
        [engine] = json.loads(shown.stdout)["engines"]
        assert (True, "midfill-starter-88m") == (engine["is_ready"], engine["model"])
        refused = status(
            address, RAY_AUTH_TOKEN="0" * 64, RAY_NUM_REDIS_GET_RETRIES="1"
        )
        assert (1, "") == (refused.returncode, refused.stdout)
        below = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(60)
    assert not psutil.wait_procs(below, timeout=20)[1]


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
        (["--option", "num_gpu=1"], "args.num_gpu"),
        (["--option", "num_gpus"], "NAME=VALUE"),
        (["--host", "192.0.2.1"], "no TLS"),
        (["--address", "127.0.0.1:9"], "no Ray answers there"),
    ],
)
def test_a_wrong_word_is_said_before_ray_starts(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address that others reach is one of them, and a cluster that is not there."""
    assert 1 == entry.main(["ray", "serve", *words])
    assert says in capsys.readouterr().err
