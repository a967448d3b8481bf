"""A program in a terminal of its own, as its user would run it."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from editor_server import wait_for

__all__ = ["Terminal"]

ROWS, COLUMNS = 40, 120


class Terminal:
    """A pseudo-terminal, the program in it, and all that it has written.

    What it writes is read by a thread, so that the program never waits for us.

    Args:
        command: The program and its arguments.
        environment: Its whole environment.
        folder: Where it runs.
        answers: What a real terminal would answer, by what is asked.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        folder: Path,
        answers: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self._ours, theirs = pty.openpty()
        size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=folder,
        )
        os.close(theirs)
        self._answers = dict(answers or {})
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Return the terminal itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill the program if it still runs, and close the terminal."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._reader.join(5)
        os.close(self._ours)
        # pytest shows it if the test failed.
        sys.stderr.write(f"the terminal's last words: {self.written[-4000:]!r}\n")

    @property
    def written(self) -> bytes:
        """All that the program wrote until now, control sequences included."""
        return bytes(self._written)

    def press(self, keys: str) -> None:
        """Type keys; control characters stand for themselves."""
        os.write(self._ours, keys.encode())

    def wait_for(self, look: Callable[[bytes], object], *, what: str) -> None:
        """Wait until what was written satisfies a check."""
        wait_for(lambda: look(self.written), what=what)

    def wait_for_end(self) -> None:
        """Wait for the program's own end.

        Raises:
            TimeoutExpired: It still runs after two minutes.
        """
        self.process.wait(120)

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._ours, 1 << 16)
            except OSError:
                return
            if not chunk:
                return
            self._written += chunk
            for question, answer in self._answers.items():
                if question in chunk:
                    os.write(self._ours, answer)
