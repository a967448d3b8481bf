"""Shows on stderr how far an evaluation is."""

import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Progress"]

_LINES = 20
"""Where nothing can be written over, a stage tells this often how far it is."""


class Progress:
    """Counts one stage after the other."""

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Write to ``stream``; ``clock`` gives seconds that only grow."""
        self._stream = stream
        self._clock = clock
        self._lives = stream.isatty()
        self._stage, self._total, self._done = "", 0, 0
        self._began = clock()

    def say(self, sentence: str) -> None:
        """Write a line that stays."""
        self._stream.write(f"midfill eval: {sentence}\n")
        self._stream.flush()

    def begin(self, stage: str, total: int) -> None:
        """Begin a stage of ``total`` steps."""
        self._stage, self._total, self._done = stage, total, 0
        self._began = self._clock()

    def step(self) -> None:
        """Count one step."""
        self._done += 1
        is_last = self._done == self._total
        if not (self._lives or is_last or self._is_due()):
            return
        rate = self._done / max(self._clock() - self._began, 1e-9)
        line = f"{self._stage}: {self._done} of {self._total}, {rate:.1f} a second"
        if self._lives:
            self._stream.write(f"\r\x1b[K{line}" + ("\n" if is_last else ""))
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def _is_due(self) -> bool:
        here, before = self._done, self._done - 1
        return here * _LINES // self._total > before * _LINES // self._total
