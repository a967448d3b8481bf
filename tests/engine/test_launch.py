"""A launch in a thread can be waited for, can fail, and can be cancelled."""

import asyncio
import multiprocessing
import subprocess
import sys
import threading
import time

import psutil
import pytest

from lsp_server.engine.launch import child_processes, end_processes, run_in_thread


def forbidden(_: object) -> None:
    """Nothing is to be discarded here."""
    pytest.fail("discarded something that is wanted")


async def test_what_was_built_comes_back() -> None:
    """The result is handed over, built in another thread."""
    built = await run_in_thread(lambda _: threading.get_ident(), forbidden)
    assert threading.get_ident() != built


async def test_an_error_comes_back() -> None:
    """The builder's exception is the waiting task's."""

    def build(_: threading.Event) -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await run_in_thread(build, forbidden)


async def test_the_loop_goes_on() -> None:
    """While a builder blocks, other tasks run."""
    go = threading.Event()
    launch = asyncio.create_task(run_in_thread(lambda _: go.wait(60), forbidden))
    await asyncio.sleep(0)
    assert not launch.done()
    go.set()
    assert await launch


async def test_a_cancelled_launch_is_discarded() -> None:
    """What is built all the same is ended, before the cancellation goes on."""
    discarded: list[bool] = []
    launch = asyncio.create_task(
        run_in_thread(lambda cancelled: cancelled.wait(60), discarded.append)
    )
    await asyncio.sleep(0)
    launch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await launch
    assert [True] == discarded


async def test_a_cancelled_launch_loses_its_processes() -> None:
    """A builder that waits for its child ends, because the child is killed."""
    started = threading.Event()
    exit_codes: list[int | None] = []

    def build(_: threading.Event) -> None:
        child = multiprocessing.get_context("spawn").Process(
            target=time.sleep, args=(3600,)
        )
        child.start()
        started.set()
        child.join()
        exit_codes.append(child.exitcode)

    launch = asyncio.create_task(run_in_thread(build, lambda _: None))
    await asyncio.to_thread(started.wait, 30)
    launch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await launch
    assert [-9] == exit_codes
    assert [] == child_processes()


def test_processes_are_ended() -> None:
    """Running and ended processes alike are gone afterwards."""
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=time.sleep, args=(n,)) for n in (0, 3600)]
    for child in children:
        child.start()
    processes = [psutil.Process(child.pid) for child in children]
    children[0].join()
    end_processes(processes)
    for child in children:
        child.join(60)
    assert [0, -9] == [child.exitcode for child in children]


INTERRUPTED_IN_TORCH = """
import asyncio, signal, sys, threading
from lsp_server.commands import doctor, entry
from lsp_server.engine.launch import run_in_thread

def build(_):
    import torch
    numbers = torch.rand(64, 64)
    started.set()
    while True:
        numbers @ numbers

async def start():
    launch = asyncio.create_task(run_in_thread(build, print))
    await asyncio.to_thread(started.wait)
    signal.raise_signal(signal.SIGINT)
    await launch

# Where the tests run behind a shell's `&`, Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
started = threading.Event()
doctor.run = lambda _: asyncio.run(start())
sys.exit(entry.main(["doctor"]))
"""


def test_an_interruption_while_c_code_runs_is_no_abort() -> None:
    """PyTorch's thread would abort the process if the interpreter stopped it."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IN_TORCH],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert (130, b"") == (done.returncode, done.stderr)
