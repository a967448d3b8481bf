"""A server whose backend writes to stdout in every way there is, and reads stdin."""

import ctypes
import os
import subprocess
import sys

from fault_backends import EchoBackend, FixedConfigurator

from lsp_server.outcomes import Completion
from lsp_server.protocol.server import run_stdio
from lsp_server.service.backend import EngineListener
from lsp_server.values import Snapshot


def make_noise(when: str) -> None:
    """Write to descriptor 1 and read from descriptor 0, as careless libraries do."""
    sys.stdout.write(f"python-{when}\n")
    sys.stdout.flush()
    os.write(1, f"descriptor-{when}\n".encode())
    libc = ctypes.CDLL(None)
    libc.printf(f"library-{when}\n".encode())
    libc.fflush(None)
    subprocess.run(["sh", "-c", f"echo child-{when}; cat"], check=True)
    child = os.fork()
    if not child:
        os.write(1, f"fork-{when}\n".encode())
        # The descriptors that the protocol uses are out of a fork's reach too.
        for fd in range(3, 20):
            try:
                os.write(fd, b"stray")
            except OSError:
                continue
        os._exit(0)
    os.waitpid(child, 0)
    sys.stdout.write(f"never-flushed-{when}\n")


class NoisyBackend(EchoBackend):
    """Makes noise whenever it is called."""

    async def start(self, listener: EngineListener) -> None:
        make_noise("start")
        await super().start(listener)

    async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
        make_noise("answer")
        return await super().answer(snapshot)

    async def close(self) -> None:
        make_noise("close")
        await super().close()


if __name__ == "__main__":
    sys.exit(run_stdio(FixedConfigurator(NoisyBackend)))
