"""What it costs to attach an editor to a running daemon: time and memory.

Run it with ``python -m benchmarks.attach``. It starts a daemon of its own with the
scripted engine, and one attached server after the other: from the start of the program
to the answer of ``initialize``, and its resident memory then. A bare Python beside it
shows how busy the machine is.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.figures import circumstances, write_result
from lsp_server.protocol.framing import encode_frame

_PROGRAM = str(Path(sys.executable).with_name("midfill"))
_MIB = 1 << 20


def _attach(variables: dict[str, str]) -> tuple[float, float]:
    """Attach once; return the time in milliseconds and the memory in MiB."""
    params = {"processId": os.getpid(), "capabilities": {}}
    first = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    began_s = time.perf_counter()
    with subprocess.Popen(
        [_PROGRAM, "serve", "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=variables,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("Popen was given pipes")
        process.stdin.write(encode_frame(json.dumps(first).encode()))
        process.stdin.flush()
        if not process.stdout.readline():
            raise RuntimeError("the server has ended")
        took_ms = (time.perf_counter() - began_s) * 1e3
        memory_mib = psutil.Process(process.pid).memory_info().rss / _MIB
        process.stdin.close()
        process.stdout.read()
    return took_ms, memory_mib


def _bare_ms() -> float:
    """Return how long a Python that does nothing takes, in milliseconds."""
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return (time.perf_counter() - began_s) * 1e3


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attach")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mfd-") as folder:
        variables = {
            **os.environ,
            "XDG_RUNTIME_DIR": folder,
            "XDG_STATE_HOME": folder,
            "MIDFILL_ENGINE_KIND": "scripted",
            "MIDFILL_DAEMON_MODE": "require",
        }
        subprocess.run([_PROGRAM, "daemon", "start"], env=variables, check=True)
        try:
            _attach(variables)
            rounds = [
                (*_attach(variables), _bare_ms()) for _ in range(arguments.rounds)
            ]
        finally:
            subprocess.run([_PROGRAM, "daemon", "stop"], env=variables, check=True)
    times_ms, memories_mib, bare_ms = zip(*rounds, strict=True)
    figures = {
        "benchmark": "attach",
        "rounds": arguments.rounds,
        "initialize_ms": _spread(times_ms),
        "bare_python_ms": _spread(bare_ms),
        "memory_mib": round(max(memories_mib), 1),
        **circumstances(),
    }
    print(json.dumps(figures, indent=2))
    if arguments.json:
        write_result(arguments.json, figures)
    return 0


def _spread(values: tuple[float, ...]) -> dict[str, float]:
    """Return the least, the middle and the largest value."""
    return {
        "min": round(min(values), 1),
        "p50": round(statistics.median(values), 1),
        "max": round(max(values), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
