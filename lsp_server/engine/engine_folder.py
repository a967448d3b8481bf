"""An engine's private folder, the guard that watches it, and the mark of its processes.

Everything that an engine's processes leave in the file system lies in this folder:
their sockets, the file over which they meet, and their report of the start. Everything
that is started for an engine inherits a mark in its environment, by which the guard
knows what to kill (`guard`), and code in the process knows whose it is.

This module does not know vLLM.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from lsp_server.engine import guard
from lsp_server.errors import EngineStartError
from lsp_server.operating_system import reason_of

__all__ = ["OWNER_VARIABLE", "EngineFolder", "is_engine_process"]

#: The environment variable with the mark: the server's process id, a dash, and what
#: tells one start of an engine from another. A vLLM without it was started by somebody
#: else.
OWNER_VARIABLE = "MIDFILL_ENGINE_OWNER"

#: A socket's path has 108 bytes on Linux; vLLM adds a name of 37 to the folder's.
_LONGEST_PATH_BYTES = 108 - 37 - 1


def is_engine_process() -> bool:
    """Return whether this process belongs to an engine that another process started."""
    owner = os.environ.get(OWNER_VARIABLE)
    return owner is not None and owner.partition("-")[0] != str(os.getpid())


class EngineFolder:
    """A private folder that is removed with its engine; `create` makes one.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path, guard_pipe: int) -> None:
        """Hold an existing folder, and the writing end of its guard's pipe."""
        self.path = path
        self._guard_pipe = guard_pipe

    @classmethod
    def create(cls) -> Self:
        """Make a folder and start its guard; blocks for some milliseconds.

        From here on, every process that is started with this process's environment
        counts as the engine's: it is killed when this process ends.

        Raises:
            EngineStartError: There is no place for it, or no process can be started.
        """
        mark = f"{os.getpid()}-{secrets.token_hex(8)}"
        path = Path(_parent(), f"midfill-{secrets.token_hex(4)}")
        try:
            pipe = _start_guard(mark, path)
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineStartError(
                f"the engine's folder cannot be made ({reason_of(error)})",
                subject="temporary files",
                remedy="free some space, or set TMPDIR to a folder that can be written",
            ) from error
        os.environ[OWNER_VARIABLE] = mark
        return cls(path, pipe)

    def clear(self) -> None:
        """Remove the folder, but keep the guard, as processes may still be started."""
        shutil.rmtree(self.path, ignore_errors=True)

    def remove(self) -> None:
        """Remove the folder and dismiss the guard. May be called twice.

        Call it once the engine's processes have ended.
        """
        if self._guard_pipe < 0:
            return
        self.clear()
        try:
            os.write(self._guard_pipe, guard.DONE)
        except OSError:
            # The guard was killed; there was nothing left for it to do.
            pass
        finally:
            os.close(self._guard_pipe)
            self._guard_pipe = -1


def _start_guard(mark: str, path: Path) -> int:
    """Start the guard, which makes the folder; return the writing end of its pipe.

    Raises:
        OSError: The guard cannot be started, or cannot make the folder.
    """
    reader, writer = os.pipe()
    command = [sys.executable, "-I", "-S", "-B", guard.__file__]
    try:
        started = subprocess.run(
            [*command, f"{OWNER_VARIABLE}={mark}", str(path)],
            stdin=reader,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env={},
            check=False,
        )
        if started.returncode:
            reason = started.stderr.decode(errors="replace").strip()
            raise OSError(reason or "its guard failed")  # noqa: TRY301 - the pipe is closed here
    except BaseException:
        os.close(writer)
        raise
    finally:
        os.close(reader)
    return writer


def _parent() -> str:
    """Return where to make the folder: private if possible, and with a short path."""
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108 - mkdtemp makes the folder private
    for place in places:
        longest = os.path.join(place, "midfill-12345678")  # noqa: PTH118 - bytes are counted
        fits = len(os.fsencode(longest)) <= _LONGEST_PATH_BYTES
        if place and fits and os.access(place, os.W_OK | os.X_OK):
            return place
    return tempfile.gettempdir()
