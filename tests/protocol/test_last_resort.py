"""Whatever the server hangs in, its process and its children end."""

import asyncio
import subprocess
import sys
import textwrap

import pytest

from lsp_server.protocol import last_resort
from lsp_server.protocol.editor_watch import wait_for_end


@pytest.mark.parametrize(
    "hang",
    [
        "threading.Event().wait()",
        "threading.Thread(target=threading.Event().wait).start()",
    ],
)
async def test_a_process_that_hangs_is_ended_with_its_children(hang: str) -> None:
    """In its main thread or at the end of the interpreter; the exit status is kept."""
    script = textwrap.dedent(f"""
        import subprocess, threading
        from lsp_server.protocol import last_resort
        child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
        print(child.pid, flush=True)
        last_resort.arm(7, 0.2)
        {hang}
    """)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        told, _ = await process.communicate()
        assert 7 == process.returncode
        await wait_for_end(int(told))


def test_it_can_be_called_off() -> None:
    """A server that ends in time is left in peace."""
    timer = last_resort.arm(7, 600)
    timer.cancel()
    timer.join(20)
    assert not timer.is_alive()
