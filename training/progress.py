"""Shows people how far long work is: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

__all__ = ["LineProgress", "Progress", "Say", "TerminalProgress", "progress_on"]

_MINUTE_S = 60
_LEAST_INTERVAL_S = 5
"""Between two lines about the same work; a log is not flooded."""

_BAR_COLUMNS = 24


class Say(Protocol):
    """Writes one line for people."""

    def __call__(self, line: str, /) -> None:
        """Write ``line``."""
        ...


class Progress(Protocol):
    """Shows lines, and how far each work is."""

    def say(self, line: str, /) -> None:
        """Show a line; later lines and bars do not overwrite it."""
        ...

    def step(self, work: str, done: int, total: int) -> None:
        """Show how much of ``work`` is done, counted in parts from 0 to ``total``."""
        ...

    def close(self) -> None:
        """End the display of the last work. May be called twice."""
        ...


class LineProgress:
    """Writes lines that begin with the seconds since its creation.

    Args:
        stream: A file or a pipe.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._start_s = clock()
        self._work_start_s = self._start_s
        self._last_step_s = self._start_s

    def say(self, line: str, /) -> None:
        """Write the line."""
        self._stream.write(f"[{self._clock() - self._start_s:6.1f} s] {line}\n")
        self._stream.flush()

    def step(self, work: str, done: int, total: int) -> None:
        """Write how far the work is, and about how long the rest will take.

        The first and the last step are always written, and one every five seconds
        between them.
        """
        now_s = self._clock()
        if 0 < done < total and now_s - self._last_step_s < _LEAST_INTERVAL_S:
            return
        self._last_step_s = now_s
        if done == 0:
            self._work_start_s = now_s
            self.say(f"{work}: 0 of {total}")
            return
        spent_s = now_s - self._work_start_s
        left_s = spent_s / done * (total - done)
        self.say(f"{work}: {done} of {total}, about {_minutes(left_s)} left")

    def close(self) -> None:
        """Do nothing: every line is complete."""


class TerminalProgress:
    """Draws one bar for each work, with the lines above it.

    Args:
        stream: A terminal.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = Console(file=stream, highlight=False, markup=False)
        self._clock = clock
        self._start_s = clock()
        self._bar: RichProgress | None = None
        self._work, self._done = "", 0

    def say(self, line: str, /) -> None:
        """Write the line above the bar."""
        timed = f"[{self._clock() - self._start_s:6.1f} s] {line}"
        self._console.print(timed, soft_wrap=True)

    def step(self, work: str, done: int, total: int) -> None:
        """Draw the bar; another work, or the same one begun again, gets a new bar."""
        if self._bar is None or work != self._work or done < self._done:
            self.close()
            self._bar = self._start(work, total)
        self._work, self._done = work, done
        self._bar.update(self._bar.task_ids[0], completed=done, refresh=True)

    def close(self) -> None:
        """Leave the bar as it stands, and go to a fresh line."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _start(self, work: str, total: int) -> RichProgress:
        bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=_BAR_COLUMNS),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            # Drawn at each step: no thread, and sys.stdout stays what it is.
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        bar.add_task(work, total=total)
        bar.start()
        return bar


def progress_on(stream: TextIO) -> Progress:
    """Return a bar for a terminal that can draw one, and plain lines otherwise."""
    if stream.isatty() and Console(file=stream).is_interactive:
        return TerminalProgress(stream)
    return LineProgress(stream)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes}:{rest:02d}"
