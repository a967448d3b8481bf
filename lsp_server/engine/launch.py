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

__all__ = ["child_processes", "end_processes", "run_in_thread"]

_Built = TypeVar("_Built")

_POLL_S = 0.02
_END_TIMEOUT_S = 5.0


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

    If the waiting task is cancelled, the event that ``build`` was given is set, the
    child processes that came up since are killed, and what ``build`` may have made all
    the same is discarded, before the cancellation goes on.

    Args:
        build: Makes the thing; may look at the event between its steps and give up.
        discard: Ends a thing that nobody waits for any more.
    """
    cancelled = threading.Event()
    before = {process.pid for process in child_processes()}
    outcome: Future[_Built] = Future()

    def run() -> None:
        try:
            outcome.set_result(build(cancelled))
        except BaseException as error:  # noqa: BLE001 - handed to the waiting task
            outcome.set_exception(error)

    # A daemon thread: an interpreter that must end does not wait for an import.
    threading.Thread(target=run, name="midfill-launch", daemon=True).start()
    try:
        return await asyncio.shield(asyncio.wrap_future(outcome))
    except asyncio.CancelledError:
        cancelled.set()
        await asyncio.to_thread(_end_launch, outcome, before, discard)
        raise


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
