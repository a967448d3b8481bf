"""The end of another process is noticed, whoever its parent is."""

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest
from process_ids import begun, replaced

from lsp_server.protocol import watchdog
from lsp_server.protocol.watchdog import wait_for_end


async def test_the_end_of_a_process_is_noticed() -> None:
    """Even one whose parent has not collected it: a zombie is no editor."""
    process = await asyncio.to_thread(begun)
    watching = asyncio.create_task(wait_for_end(process.pid))
    await asyncio.sleep(0)
    assert not watching.done()
    process.kill()
    async with asyncio.timeout(60):
        await watching
    # Collected only here.
    assert process.wait() < 0


@pytest.mark.parametrize("process_id", [2**22 + 1, -5])
async def test_a_process_that_does_not_exist_has_ended(process_id: int) -> None:
    """There is nothing to wait for."""
    async with asyncio.timeout(60):
        await wait_for_end(process_id)


async def test_another_process_of_the_same_id_is_another_one() -> None:
    """The one that was waited for has ended, although its id lives."""
    process = await asyncio.to_thread(begun)
    watching = asyncio.create_task(wait_for_end(process.pid))
    await asyncio.sleep(0)
    # Nobody looks while the loop stands still.
    other = replaced(process)
    try:
        async with asyncio.timeout(60):
            await watching
    finally:
        other.kill()
        other.wait()


async def test_a_living_process_is_waited_for() -> None:
    """Ourselves, for as long as somebody cares to wait."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wait_for_end(os.getpid())


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
        from lsp_server.protocol import watchdog
        child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
        print(child.pid, flush=True)
        watchdog.arm(7, 0.2)
        {hang}
    """)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        reported, _ = await process.communicate()
        assert 7 == process.returncode
        await wait_for_end(int(reported))


def test_it_can_be_called_off() -> None:
    """A server that ends in time is left in peace."""
    timer = watchdog.arm(7, 600)
    timer.cancel()
    timer.join(60)
    assert not timer.is_alive()
