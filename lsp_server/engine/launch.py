"""Start something slow that has child processes, without blocking the event loop.

This module does not know vLLM. It knows that a construction in a thread cannot be
cancelled, but that it fails soon after its child processes are gone.
"""

import asyncio
import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

import psutil

__all__ = [
    "child_processes",
    "cpu_time_s",
    "end_processes",
    "in_daemon_thread",
    "run_in_thread",
]

_Built = TypeVar("_Built")

_POLL_S = 0.02
_END_TIMEOUT_S = 5.0
_THREAD_NAME = "midfill-launch"
#: A server that must end has two seconds for everything.
_LAUNCH_PATIENCE_S = 0.5


def child_processes() -> list[psutil.Process]:
    """The processes that `multiprocessing` started here, with all that they started."""
    found: list[psutil.Process] = []
    for child in multiprocessing.active_children():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(child.pid)
            found += [process, *process.children(recursive=True)]
    return found


def end_processes(processes: Sequence[psutil.Process]) -> None:
    """Kill processes and wait until they are gone. Blocks for up to five seconds."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline_s = time.monotonic() + _END_TIMEOUT_S
    while not all(map(_is_gone, processes)) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    # Takes their exit codes. psutil's own wait would take them away from
    # `multiprocessing`, which would believe for ever that they live.
    multiprocessing.active_children()


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def run_in_thread(
    build: Callable[[threading.Event], _Built], discard: Callable[[_Built], None]
) -> _Built:
    """Run ``build`` in a thread of its own and wait for what it makes.

    One build runs at a time: it waits for one that was given up and has not ended yet.

    If the waiting task is cancelled, the event that ``build`` was given is set, and the
    child processes that came up since are killed before the cancellation goes on. A
    build that ends soon is waited for; one that is in the middle of an import is left
    to itself, and what it makes all the same is discarded.

    Args:
        build: Makes the thing; may look at the event between its steps and give up.
        discard: Ends a thing that nobody waits for any more.
    """
    cancelled = threading.Event()
    outcome: Future[_Built] = Future()

    def run() -> None:
        for thread in older:
            thread.join()
        try:
            built = build(cancelled)
        except BaseException as error:  # noqa: BLE001 - handed to the waiting task
            outcome.set_exception(error)
            return
        outcome.set_result(built)

    older = [t for t in threading.enumerate() if t.name == _THREAD_NAME]
    before = {process.pid for process in child_processes()}
    # A daemon thread: an interpreter that must end does not wait for an import.
    threading.Thread(target=run, name=_THREAD_NAME, daemon=True).start()
    try:
        return await asyncio.shield(asyncio.wrap_future(outcome))
    except asyncio.CancelledError:
        cancelled.set()
        ending = in_daemon_thread(lambda: _end_launch(outcome, before, discard))
        await asyncio.wait({ending}, timeout=_LAUNCH_PATIENCE_S)
        raise


def in_daemon_thread(work: Callable[[], None]) -> "asyncio.Future[None]":
    """Run ``work`` in a thread that keeps neither the loop nor the interpreter."""
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            outcome.set_exception(error)
            return
        outcome.set_result(None)

    threading.Thread(target=run, name="midfill-end", daemon=True).start()
    return asyncio.wrap_future(outcome)


def cpu_time_s(processes: Sequence[psutil.Process]) -> float:
    """The processor time that processes have used, in seconds, the ended left out."""
    total_s = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total_s += times.user + times.system
    return total_s


def _end_launch(
    outcome: "Future[_Built]", before: set[int], discard: Callable[[_Built], None]
) -> None:
    while not outcome.done():
        end_processes([p for p in child_processes() if p.pid not in before])
        with contextlib.suppress(TimeoutError, Exception):
            outcome.result(timeout=_POLL_S)
    if outcome.exception() is None:
        discard(outcome.result())
    end_processes([p for p in child_processes() if p.pid not in before])
