"""Two editor windows with the real engine: one engine for both, or one each.

Run it with ``python -m benchmarks.shared_engine``. Each window is a real
``midfill serve --stdio`` with the shipped model; measured are the time until it is
ready, its first completion, and the memory of all processes together (PSS, so that
shared pages count once).
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import psutil

from benchmarks.figures import circumstances, write_result
from lsp_server.client.headless import headless_client

_MIDFILL = [sys.executable, "-m", "lsp_server"]
_READY_TIMEOUT_S = 300
_TEXT = "def total(values):\n    \n"
_WINDOWS = 2
_MIB = 1 << 20


def _memory_mib(folder: str) -> float:
    """Return the memory of every process that was started with this runtime folder."""
    total = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("XDG_RUNTIME_DIR") == folder:
                total += process.memory_full_info().pss
    return round(total / _MIB, 1)


async def _measure(
    mode: str, folder: str, environment: Mapping[str, str]
) -> list[dict[str, float]]:
    """Open one window after the other, and return what each cost."""
    windows: list[dict[str, float]] = []
    async with AsyncExitStack() as stack:
        for number in range(_WINDOWS):
            began_s = time.perf_counter()
            editor = await stack.enter_async_context(
                headless_client(
                    [*_MIDFILL, "serve", "--stdio"],
                    stderr_path=Path(folder) / f"{mode}-{number}.log",
                    environment=environment,
                )
            )
            await editor.wait_until_ready(_READY_TIMEOUT_S)
            ready_s = time.perf_counter() - began_s
            editor.open_text("file:///a.py", _TEXT)
            asked_s = time.perf_counter()
            await editor.complete("file:///a.py", len(_TEXT) - 1)
            windows.append(
                {
                    "ready_s": round(ready_s, 2),
                    "first_completion_ms": round(
                        (time.perf_counter() - asked_s) * 1e3, 1
                    ),
                    "memory_of_all_mib": _memory_mib(folder),
                }
            )
    return windows


def main() -> int:
    """Measure both ways, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    out: Path | None = parser.parse_args().out
    found: dict[str, list[dict[str, float]]] = {}
    for name, mode in (("one engine for both", "auto"), ("an engine each", "never")):
        with tempfile.TemporaryDirectory(prefix="mfd-") as folder:
            environment = {
                **os.environ,
                "XDG_RUNTIME_DIR": folder,
                "XDG_STATE_HOME": folder,
                "MIDFILL_DAEMON_MODE": mode,
            }
            try:
                found[name] = asyncio.run(_measure(mode, folder, environment))
            finally:
                subprocess.run(
                    [*_MIDFILL, "daemon", "stop"],
                    env=environment,
                    check=False,
                    capture_output=True,
                )
        for number, window in enumerate(found[name], start=1):
            print(f"{name}, window {number}: {window}")
    if out is not None:
        write_result(
            out, {"benchmark": "shared_engine", "windows": found, **circumstances()}
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
