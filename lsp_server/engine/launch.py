"""Runs a slow start in a thread, and ends the processes that it has begun.

A thread cannot be cancelled; but a start that waits for its child processes fails soon
after they are killed. This module does not know vLLM.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

import psutil

__all__ = [
    "child_processes",
    "cpu_time_s",
    "end_process_if_starting",
    "end_processes",
    "in_daemon_thread",
    "run_in_thread",
]

_Built = TypeVar("_Built")

_POLL_S = 0.02
_END_TIMEOUT_S = 5.0
_THREAD_NAME = "midfill-launch"
#: How long a cancellation waits for the thread; a server has two seconds to end.
_CANCEL_TIMEOUT_S = 0.5


def child_processes() -> list[psutil.Process]:
    """Return the processes that `multiprocessing` started here, and their children."""
    found: list[psutil.Process] = []
    for child in multiprocessing.active_children():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(child.pid)
            found += [process, *process.children(recursive=True)]
    return found


def end_processes(processes: Sequence[psutil.Process]) -> None:
    """Kill processes and wait until they are gone; blocks for up to five seconds."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline_s = time.monotonic() + _END_TIMEOUT_S
    while not all(map(_is_gone, processes)) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    # Collects their exit codes. If psutil collected them, `multiprocessing` would
    # believe for ever that the processes live.
    multiprocessing.active_children()


def _is_gone(process: psutil.Process) -> bool:
    """Return whether a process has ended; its parent may not have noticed yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def run_in_thread(
    build: Callable[[threading.Event], _Built], discard: Callable[[_Built], None]
) -> _Built:
    """Run ``build`` in a thread of its own, and return its result.

    One build runs at a time: it waits until one that was cancelled earlier has ended.

    If the waiting task is cancelled, the event that ``build`` was given is set, and the
    child processes that it has started are killed before the cancellation goes on. A
    build that does not end within half a second, because it is importing for example,
    goes on in the background, and its result is discarded.

    Args:
        build: Makes the result; may check the event between its steps and give up.
        discard: Ends a result that nobody waits for any more.
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

    older = _running()
    before = {process.pid for process in child_processes()}
    # A daemon thread, so that the interpreter can end in the middle of an import.
    threading.Thread(target=run, name=_THREAD_NAME, daemon=True).start()
    try:
        return await asyncio.shield(asyncio.wrap_future(outcome))
    except asyncio.CancelledError:
        cancelled.set()
        ending = in_daemon_thread(lambda: _end_launch(outcome, before, discard))
        await asyncio.wait({ending}, timeout=_CANCEL_TIMEOUT_S)
        raise


def end_process_if_starting(status: int) -> None:
    """End this process with ``status`` if a build still runs in its thread.

    For whoever was interrupted. The interpreter's own end stops every thread that asks
    for its lock, and C++ code, as PyTorch's, aborts the process when it is stopped.
    """
    if _running():
        logging.shutdown()
        sys.stdout.flush()
        os._exit(status)


def _running() -> list[threading.Thread]:
    """Return the threads of builds that have not ended."""
    return [t for t in threading.enumerate() if t.name == _THREAD_NAME]


def in_daemon_thread(work: Callable[[], None]) -> "asyncio.Future[None]":
    """Run ``work`` in a thread that the interpreter does not wait for at its end."""
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the waiting task
            outcome.set_exception(error)
            return
        outcome.set_result(None)

    threading.Thread(target=run, name="midfill-end", daemon=True).start()
    return asyncio.wrap_future(outcome)


def cpu_time_s(processes: Sequence[psutil.Process]) -> float:
    """Return the processor time of those processes that still run, in seconds."""
    total_s = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total_s += times.user + times.system
    return total_s


def _end_launch(
    outcome: "Future[_Built]", before: set[int], discard: Callable[[_Built], None]
) -> None:
    """Kill a launch's child processes until its thread has ended; blocks."""
    while not outcome.done():
        end_processes([p for p in child_processes() if p.pid not in before])
        with contextlib.suppress(TimeoutError, Exception):
            outcome.result(timeout=_POLL_S)
    if outcome.exception() is None:
        discard(outcome.result())
    end_processes([p for p in child_processes() if p.pid not in before])
