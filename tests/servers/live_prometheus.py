"""A real daemon with traffic, and a real Prometheus that reads its metrics."""

import contextlib
import fcntl
import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import yaml
from free_ports import free_port
from obtain.__main__ import main as obtain
from obtain.record import FOLDER, UnobtainableError, program

ROOT = Path(__file__).parents[2]
FAKE_DRIVER = Path(__file__).parent / "fake_driver"
"""A folder for ``PYTHONPATH`` with what the driver's library says of two GPUs."""

RULES = ROOT / "deploy" / "prometheus" / "midfill.rules.yml"


def find_program(name: str) -> Path:
    """Return Prometheus or promtool, which is obtained at first use.

    Raises:
        UnobtainableError: It cannot be had on this machine.
    """
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "prometheus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return program(name)
        except UnobtainableError:
            obtain(["prometheus", "promtool"])
            return program(name)


class Prometheus:
    """A Prometheus that runs; see its HTTP API.

    Attributes:
        url: Its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> object:
        """Return the data of an answer.

        Raises:
            OSError: Prometheus refuses the question, or does not answer.
        """
        query = urllib.parse.urlencode(parameters)
        address = f"{self.url}{path}?{query}"
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - http
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, object]]:
        """Return the series of an expression as they are now."""
        data = self.get("/api/v1/query", query=expression)
        assert isinstance(data, dict)
        result: list[dict[str, object]] = data["result"]
        return result

    def wait_for(self, expression: str, limit_s: float = 60) -> None:
        """Wait until an expression has data."""
        until_s = time.monotonic() + limit_s
        while not self.query(expression):
            if time.monotonic() > until_s:
                raise TimeoutError(expression)
            time.sleep(0.2)


@contextlib.contextmanager
def prometheus_reading(port: int, folder: Path) -> Iterator[Prometheus]:
    """Run Prometheus on the shipped rules, scraping a port of this machine."""
    ours = yaml.safe_load(
        (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()
    )
    ours["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), "1s")
    ours["rule_files"] = [str(RULES)]
    ours["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    configuration = folder / "prometheus.yml"
    configuration.write_text(yaml.safe_dump(ours))
    own_port = free_port()
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                find_program("prometheus"),
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{own_port}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            prometheus = Prometheus(f"http://127.0.0.1:{own_port}")
            until_s = time.monotonic() + 60
            while True:
                try:
                    prometheus.query("vector(1)")
                    break
                except OSError:
                    if time.monotonic() > until_s:
                        raise
                    time.sleep(0.2)
            yield prometheus
        finally:
            process.terminate()
            process.wait(timeout=60)
