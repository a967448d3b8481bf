"""`midfill ray` in processes of its own."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from free_ports import free_port
from ray_load import LIMIT_S

MIDFILL = [sys.executable, "-m", "lsp_server", "ray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A `midfill ray serve` that runs.

    Attributes:
        process: Its process.
        url: Where it answers.
        head: Where its Ray does.
    """

    process: "subprocess.Popen[str]"
    url: str
    head: str
    _log: Path

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text()


@contextlib.contextmanager
def serving(**settings: str) -> Iterator[Serving]:
    """Run `midfill ray serve` with further variables of the environment."""
    # Ray's sockets lie in it, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        usual = {"MIDFILL_ENGINE_KIND": "scripted", "RAY_TMPDIR": folder}
        process = _begin(log, usual | settings)
        try:
            ready = re.compile(r"Ready at (\S+) \(Ray at (\S+)\)")
            # A machine may be too slow for Ray, which is then started again.
            ends_s = time.monotonic() + 2 * LIMIT_S
            while not (found := ready.search(log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < ends_s, log.read_text()
                time.sleep(0.1)
            yield Serving(process=process, url=found[1], head=found[2], _log=log)
        finally:
            process.kill()
            process.wait()


def _begin(log: Path, settings: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start the command, which writes its log anew."""
    with log.open("w") as output:
        return subprocess.Popen(
            [*MIDFILL, "serve", "--port", str(free_port()), "--replicas", "1"],
            env=os.environ | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )


def status(address: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `midfill ray status --json`."""
    return subprocess.run(
        [*MIDFILL, "status", "--json", "--address", address],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
