"""The CPU image, built and run: from a store's model to a drained end."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from containers import Container, once, why_not
from free_ports import free_port
from image_stack import ROOT, SOURCE, Served, keys, push, using

from lsp_server.config import SHIPPED_MODEL

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=f"no containers here: {why_not()}"),
    pytest.mark.timeout(1800),
]


def test_it_completes_for_a_key(served: Served) -> None:
    """What the model writes comes back; without a key nothing does."""
    answer = served.complete()
    assert 200 == answer.status_code, answer.text
    assert answer.json()["choices"][0]["text"].startswith("a + b")
    wrong = {"Authorization": "Bearer midfill_0"}
    assert 401 == served.client.get("/v1/models", headers=wrong).status_code


def test_prometheus_reads_metrics_and_no_more(served: Served, secrets: Path) -> None:
    """By the key that was made for it."""
    secret = (secrets / "metrics-key" / "metrics").read_text(encoding="utf-8")
    headers = {"Authorization": f"Bearer {secret}"}
    metrics = served.client.get("/metrics", headers=headers)
    assert "midfill_requests_total" in metrics.text
    assert 403 == served.client.get("/v1/models", headers=headers).status_code


def test_podmans_own_health_check_passes(served: Served) -> None:
    """It is the image's HEALTHCHECK."""
    asked = served.container.podman("healthcheck", "run", served.container.name)
    assert 0 == asked.returncode, asked.stderr


def test_a_revoked_key_ends_in_a_running_server(served: Served, secrets: Path) -> None:
    """The mounted folder shows the file that takes the old one's place."""
    other = keys(secrets, "create", "bob").stdout.strip()
    headers = {"Authorization": f"Bearer {other}"}
    eventually(served, headers, 200)
    assert 0 == keys(secrets, "revoke", "bob").returncode
    eventually(served, headers, 401)


def eventually(served: Served, headers: dict[str, str], status: int) -> None:
    """Wait for the second within which a change of the file is seen."""
    ends_s = time.monotonic() + 10
    while served.client.get("/v1/models", headers=headers).status_code != status:
        assert time.monotonic() < ends_s
        time.sleep(0.1)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 100 MB, in memory, that is the container's user's."""
    limits = "size=100m,uid=10001,gid=10001,mode=0700"
    mount = ["mount", "-t", "tmpfs", "-o", limits, "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_volume_keeps_the_model_that_was_there(
    store: str, secrets: Path, small: Path
) -> None:
    """The second pull says how much is missing, and the first model stays whole."""
    script = (
        f"midfill models pull first --from {SOURCE} && "
        f"! midfill models pull second --from {SOURCE} && "
        "midfill models verify first && ls /var/lib/midfill/models"
    )
    options = [f"--volume={small}:/var/lib/midfill/models"]
    options += using(store, secrets, "reader")
    done = once("-c", script, options=options, entry="sh")
    assert 0 == done.returncode, done.stderr
    assert re.search(r"bytes are needed, and [\d,]+ are free", done.stderr)
    assert "first: whole" in done.stdout
    assert "second" not in done.stdout.split()


def test_who_pulls_cannot_push(store: str, secrets: Path) -> None:
    """The reader's credentials end a push; the writer's find that all is there."""
    model = f"--volume={ROOT}/models/{SHIPPED_MODEL}:/model:ro"
    options = [model, *using(store, secrets, "reader")]
    refused = once("models", "push", "/model", f"{SOURCE}-2", options=options)
    assert 1 == refused.returncode
    assert 0 == push(store, secrets).returncode


def test_the_image_holds_what_the_locks_pin_and_no_more() -> None:
    """No model, no compiler, no package of another version (fault 40)."""
    script = (
        "id -u; touch /opt/midfill/x 2>/dev/null && echo writable; "
        "for each in cc gcc g++ clang rustc; do command -v $each; done; "
        # A package has a table of 1.7 MB in this format.
        "find / -xdev -size +8M -name '*.safetensors'; find / -xdev -name keys.jsonl"
    )
    assert ["10001"] == once("-c", script, entry="sh").stdout.split()
    listed = once("-m", "pip", "list", "--format=json", entry="python").stdout
    installed = {each["name"].lower(): each["version"] for each in json.loads(listed)}
    # A package may have a version for each Python.
    pinned = set()
    for lock in ("cpu", "s3", "torch-cpu"):
        text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
        pinned |= set(
            re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", text, re.MULTILINE)
        )
    normal = {(re.sub(r"[._]", "-", name).lower(), each) for name, each in pinned}
    brought = {"midfill", "pip", "setuptools"}
    for name, version in installed.items():
        plain = re.sub(r"[._]", "-", name)
        assert plain in brought or (plain, version) in normal, f"{name} {version}"


def test_a_stop_under_load_drops_nothing(served: Served) -> None:
    """PID 1 hands SIGTERM on, running requests are answered, and the end is 0."""
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(served.complete, max_tokens=200) for _ in range(8)]
        metrics = "midfill_running_generations"
        ends_s = time.monotonic() + 20
        while not re.search(
            rf"^{metrics}\S* [1-9]", served.client.get("/metrics").text, re.MULTILINE
        ):
            assert time.monotonic() < ends_s
        stopped = served.container.podman("stop", "--time=50", served.container.name)
        answers = [each.result() for each in asked]
    assert 0 == stopped.returncode, stopped.stderr
    assert [200] * 8 == [answer.status_code for answer in answers]
    state = served.container.state()
    assert (0, False) == (state["ExitCode"], state["OOMKilled"])
    # vLLM reports so what it may not write.
    assert "Traceback" not in served.container.log


def test_a_stop_while_it_loads_ends_at_once(models: str, secrets: Path) -> None:
    """Nothing has been asked yet, so there is nothing to wait for."""
    container = Container(
        "midfill-test-loading",
        *("serve", "--listen", f"127.0.0.1:{free_port()}", "--model", SHIPPED_MODEL),
        options=[
            f"--volume={models}:/var/lib/midfill/models:ro",
            f"--volume={secrets}/keys:/etc/midfill/keys:ro",
        ],
    )
    try:
        ends_s = time.monotonic() + 60
        while "listen.ready" not in container.log:
            assert time.monotonic() < ends_s
            time.sleep(0.2)
        container.podman("stop", "--time=40", container.name)
        assert 0 == container.state()["ExitCode"]
    finally:
        container.remove()
