"""A server whose backend never ends: its close hangs, and so does a thread of it."""

import asyncio
import subprocess
import sys
import threading

from fault_backends import EchoBackend, FixedConfigurator

from lsp_server.protocol.server import run_stdio


class StuckBackend(EchoBackend):
    """Starts a process and a thread when it is closed, and waits for good."""

    async def close(self) -> None:
        threading.Thread(target=threading.Event().wait).start()
        child = subprocess.Popen(["sleep", "600"])  # noqa: ASYNC220 - as careless as can be
        sys.stderr.write(f"child {child.pid}\n")
        sys.stderr.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(run_stdio(FixedConfigurator(StuckBackend)))
