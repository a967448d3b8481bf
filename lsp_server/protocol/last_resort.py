"""Ends the process when an orderly end takes too long.

An editor that has gone must not leave a server behind, whatever the server hangs in:
a model that is being loaded in a thread, an engine that does not answer, a pipe that
nobody reads.
"""

import logging
import os
import threading

import psutil

__all__ = ["arm"]

_log = logging.getLogger(__name__)


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
    """Kill the children, then leave without any further ado."""
    children = psutil.Process().children(recursive=True)
    _log.error("server.end_forced", extra={"children": len(children)})
    for child in children:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os._exit(exit_code)
