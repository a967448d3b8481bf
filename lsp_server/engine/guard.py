"""Sees to it that nothing of an engine outlives the server that started it.

A program of its own, not a module to import: the server runs this file with an
interpreter that loads nothing else, before it starts an engine. It waits at the end of
a pipe whose other end only the server holds, so it notices the server's end at once,
whichever way that came, and however far the engine's start had got. Then it kills every
process that has the engine's mark in its environment, and removes the engine's folder.

It detaches itself from the server, so that a signal to the server's process group, or
an editor that kills the server's whole process tree, does not reach it.

Source of the marks: ``/proc/PID/environ``, see proc(5).
"""

import os
import signal
import sys
import time
from pathlib import Path

__all__ = ["main"]

#: What the server says when it has cleaned up by itself.
DONE = b"done"

_POLL_S = 0.05
#: A child that was forked but did not run its program yet has no mark until it does.
_QUIET_S = 0.5
#: `multiprocessing`'s tracker frees shared memory once the others are gone.
_TRACKER = b"multiprocessing.resource_tracker"
_TRACKER_PATIENCE_S = 1.0


def main(words: list[str]) -> int:
    """Wait for the server's end on descriptor 0, then clean up.

    Args:
        words: The mark, as it stands in an environment, and the folder.
    """
    mark, folder = words[0].encode(), Path(words[1])
    if os.fork():
        return 0
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    said = b""
    while chunk := os.read(0, 64):
        said += chunk
    if DONE not in said:
        _kill_all(mark)
    _remove(folder)
    return 0


def _kill_all(mark: bytes) -> None:
    """Kill every process with the mark, until none has come up for a while."""
    began_at_s = quiet_since_s = time.monotonic()
    while time.monotonic() - quiet_since_s < _QUIET_S:
        patient = time.monotonic() - began_at_s < _TRACKER_PATIENCE_S
        for process_id in _marked(mark):
            if patient and _TRACKER in _read(process_id, "cmdline"):
                quiet_since_s = time.monotonic()
                continue
            try:
                os.kill(process_id, signal.SIGKILL)
            except OSError:
                continue
            quiet_since_s = time.monotonic()
        time.sleep(_POLL_S)


def _marked(mark: bytes) -> list[int]:
    """Find the processes that have the mark in their environment."""
    names = [path.name for path in Path("/proc").iterdir()]
    numbers = [int(name) for name in names if name.isdigit()]
    return [
        number for number in numbers if mark in _read(number, "environ").split(b"\0")
    ]


def _read(process_id: int, name: str) -> bytes:
    """Read one of the files about a process; empty for one that is gone."""
    try:
        return Path(f"/proc/{process_id}/{name}").read_bytes()
    except OSError:
        return b""


def _remove(folder: Path) -> None:
    """Remove a folder with what is in it; the server may have done so already."""
    try:
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                _remove(entry)
            else:
                entry.unlink(missing_ok=True)
        folder.rmdir()
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
