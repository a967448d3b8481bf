"""Makes an engine's folder, and removes it and the engine once the server has died.

This file is run as a program, by an interpreter that loads nothing else, before the
server starts an engine. The program reads from a pipe whose other end only the server
holds, so it notices at once when the server ends, for whatever reason and however far
the engine's start had got. Then it kills every process that has the engine's mark in
its environment, and removes the engine's folder. It makes the folder itself, so that
there is no moment at which a server that is killed would leave the folder behind.

It leaves the server's process group and session, so that it survives a signal to the
group, and an editor that kills the server's whole process tree.

Source of the marks: ``/proc/PID/environ``, see proc(5).
"""

import os
import signal
import sys
import time
from pathlib import Path

__all__ = ["main"]

#: What the server writes when it has cleaned up by itself.
DONE = b"done"

_MADE = b"made"
_POLL_S = 0.05
#: A child that was just forked shows the mark only once it runs its program, so the
#: search goes on until nothing was found for this long.
_QUIET_S = 0.5
#: `multiprocessing`'s tracker frees shared memory when the other processes have ended.
_TRACKER = b"multiprocessing.resource_tracker"
_TRACKER_PATIENCE_S = 1.0


def main(words: list[str]) -> int:
    """Make the folder, wait for the server's end on descriptor 0, then clean up.

    The process that is called returns once the folder is there, and its child waits.

    Args:
        words: The mark, as it stands in an environment, and the folder.

    Returns:
        0; 1 if the folder cannot be made, for a reason that is written to stderr.
    """
    mark, folder = words[0].encode(), Path(words[1])
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        outcome = os.read(reader, 1024)
        if outcome != _MADE:
            os.write(2, outcome)
        return 0 if outcome == _MADE else 1
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        os.write(writer, os.strerror(error.errno or 0).encode())
        return 1
    os.write(writer, _MADE)
    os.close(writer)
    # The server reads stderr to its end.
    os.dup2(1, 2)
    received = b""
    while chunk := os.read(0, 64):
        received += chunk
    if DONE not in received:
        _kill_all(mark)
    _remove(folder)
    return 0


def _kill_all(mark: bytes) -> None:
    """Kill every process with the mark, until none has been found for a while."""
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
    """Return the ids of the processes that have the mark in their environment."""
    names = [path.name for path in Path("/proc").iterdir()]
    numbers = [int(name) for name in names if name.isdigit()]
    return [
        number for number in numbers if mark in _read(number, "environ").split(b"\0")
    ]


def _read(process_id: int, name: str) -> bytes:
    """Return the content of a file about a process; empty if the process is gone."""
    try:
        return Path(f"/proc/{process_id}/{name}").read_bytes()
    except OSError:
        return b""


def _remove(folder: Path) -> None:
    """Remove a folder and its content; the server may have done so already."""
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
