"""Shows people how long work goes on."""

import time
from collections.abc import Callable
from typing import Protocol, TextIO

from tqdm import tqdm

__all__ = ["LineProgress", "Progress", "Say", "TerminalProgress", "progress_on"]

_MINUTE_S = 60
_QUIET_S = 5
"""A log gets no more than a step in this time."""

_BAR = "{desc}: {percentage:3.0f} %|{bar:24}| {n_fmt}/{total_fmt}, {remaining} left"


class Say(Protocol):
    """Hears what goes on, a line at a time."""

    def __call__(self, line: str, /) -> None:
        """Take one line."""
        ...


class Progress(Protocol):
    """Hears what goes on, and how far each work is."""

    def say(self, line: str, /) -> None:
        """Take one line that stays."""
        ...

    def step(self, work: str, done: int, total: int) -> None:
        """Hear that ``done`` of ``total`` parts of ``work`` are done; from 0 on."""
        ...

    def close(self) -> None:
        """End what is shown of the last work. May be called twice."""
        ...


class LineProgress:
    """Writes lines with the seconds since its making before them.

    Args:
        stream: A file or a pipe.
        clock: Gives the time in seconds.
    """

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._start_s = clock()
        self._work_start_s = self._start_s
        self._told_s = self._start_s

    def say(self, line: str, /) -> None:
        """Write the line."""
        self._stream.write(f"[{self._clock() - self._start_s:6.1f} s] {line}\n")
        self._stream.flush()

    def step(self, work: str, done: int, total: int) -> None:
        """Write how far the work is, and about how long it will take.

        Steps that follow quickly are left out, but never the first and the last.
        """
        now_s = self._clock()
        if 0 < done < total and now_s - self._told_s < _QUIET_S:
            return
        self._told_s = now_s
        if done == 0:
            self._work_start_s = now_s
            self.say(f"{work}: 0 of {total}")
            return
        spent_s = now_s - self._work_start_s
        left_s = spent_s / done * (total - done)
        self.say(f"{work}: {done} of {total}, about {_minutes(left_s)} left")

    def close(self) -> None:
        """Do nothing: each line is complete."""


class TerminalProgress:
    """Draws a bar that is written over; lines stand above it.

    Args:
        stream: A terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines = LineProgress(stream)
        self._bar: tqdm[None] | None = None

    def say(self, line: str, /) -> None:
        """Write the line above the bar."""
        with tqdm.external_write_mode(file=self._stream):
            self._lines.say(line)

    def step(self, work: str, done: int, total: int) -> None:
        """Draw the bar; a work that begins anew, or another one, gets its own."""
        bar = self._bar
        if bar is None or bar.desc != work or done < bar.n:
            self.close()
            bar = self._bar = tqdm(
                desc=work,
                total=total,
                file=self._stream,
                bar_format=_BAR,
                dynamic_ncols=True,
                mininterval=0,
            )
        bar.update(done - bar.n)

    def close(self) -> None:
        """Leave the bar as it stands, and go to a fresh line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def progress_on(stream: TextIO) -> Progress:
    """Give a bar on a terminal, and plain lines on anything else."""
    return TerminalProgress(stream) if stream.isatty() else LineProgress(stream)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes}:{rest:02d}"
