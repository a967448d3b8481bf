"""The image with Ray, built and run: it completes through Ray Serve, and ends."""

import time
from collections.abc import Iterator

import httpx
import pytest
from containers import RAY_IMAGE, Container, build_ray, why_not
from free_ports import free_port
from image_stack import PROMPT, ROOT

from lsp_server.config import SHIPPED_MODEL

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=f"no containers here: {why_not()}"),
    pytest.mark.timeout(1800),
]

PORT = free_port()
READY_S = 600


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """Run `midfill ray serve` as user 10001 on a read-only root, until it is ready."""
    build_ray(tmp_path_factory.mktemp("ray"))
    started = Container(
        "midfill-test-ray",
        *("ray", "serve", "--host", "127.0.0.1", "--port", str(PORT)),
        *("--model", SHIPPED_MODEL, "--option", "omp_threads=2"),
        options=[
            f"--volume={ROOT}/models/{SHIPPED_MODEL}:/var/lib/midfill/models/{SHIPPED_MODEL}:ro",
            *("--shm-size", "512m"),
        ],
        image=RAY_IMAGE,
    )
    try:
        ends_s = time.monotonic() + READY_S
        while "Ready at" not in started.log:
            assert "running" == started.state()["Status"], started.log
            assert time.monotonic() < ends_s, started.log
            time.sleep(1)
        yield started
    finally:
        started.remove()


def test_it_completes_and_its_probe_passes(container: Container) -> None:
    """Through Serve's proxy, the ingress and a replica with the real engine."""
    answer = httpx.post(
        f"http://127.0.0.1:{PORT}/v1/completions", json=PROMPT, timeout=120
    )
    assert 200 == answer.status_code, answer.text
    assert answer.json()["choices"][0]["text"].startswith("a + b")
    asked = container.podman("exec", container.name, "midfill", "ray", "status")
    assert 0 == asked.returncode, asked.stderr
    assert f"{SHIPPED_MODEL} (" in asked.stdout


def test_a_stop_ends_it_in_order(container: Container) -> None:
    """PID 1 hands SIGTERM on, Ray is ended, and the exit status is 0."""
    stopped = container.podman("stop", "--time=100", container.name)
    assert 0 == stopped.returncode, stopped.stderr
    state = container.state()
    assert (0, False) == (state["ExitCode"], state["OOMKilled"]), container.log
    assert "Traceback" not in container.log
