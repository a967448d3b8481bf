"""Notices that the editor's process has ended.

The end of stdin is not enough: a process that the editor started may hold the other
end of the pipe open. A process id alone is not enough either, as it may be given to
another process; together with the start time it names one process for good.
"""

import asyncio
import logging
import os
import threading

import psutil

__all__ = ["arm", "wait_for_end"]

_log = logging.getLogger(__name__)


_POLL_S = 0.5


async def wait_for_end(process_id: int) -> None:
    """Return when the process has ended, at once if there is none of this id.

    A process that has ended and that its parent has not collected counts as ended.
    """
    try:
        process = psutil.Process(process_id)
    except (psutil.NoSuchProcess, ValueError):
        return
    while _lives(process):  # noqa: ASYNC110 - no event tells of another's process
        await asyncio.sleep(_POLL_S)


def _lives(process: psutil.Process) -> bool:
    """Return whether it is still the process that it was, and runs."""
    try:
        # psutil compares the id and the start time.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def arm(exit_code: int, deadline_s: float) -> threading.Timer:
    """Kill this process and every process below it when the deadline has passed.

    It also covers what happens after the event loop has ended: threads that keep the
    interpreter from ending. The process ends with ``exit_code``. Cancel the timer that
    is returned to call it off.
    """
    timer = threading.Timer(deadline_s, _end, [exit_code])
    timer.name = "last-resort"
    timer.daemon = True
    timer.start()
    return timer


def _end(exit_code: int) -> None:
    """Kill every process below, then end this one at once."""
    children = psutil.Process().children(recursive=True)
    _log.error("server.end_forced", extra={"children": len(children)})
    for child in children:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os._exit(exit_code)
