"""People see how far the work is, on a terminal and in a log."""

import io
import re

import pytest

from training.progress import LineProgress, TerminalProgress, progress_on


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' terminal can draw, whatever the one they run in can."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


class Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_lines_have_times() -> None:
    """In a log, each step is a line with the time that passed and that is left."""
    stream, clock = io.StringIO(), Clock()
    progress = LineProgress(stream, clock)
    progress.say("begun")
    clock.now_s += 5
    progress.step("layers", 0, 3)
    clock.now_s += 40
    progress.step("layers", 1, 3)
    progress.close()
    assert [
        "[   0.0 s] begun",
        "[   5.0 s] layers: 0 of 3",
        "[  45.0 s] layers: 1 of 3, about 1:20 left",
    ] == stream.getvalue().splitlines()


def test_the_time_left_is_the_works_own() -> None:
    """A second work is not judged by the first one's time."""
    stream, clock = io.StringIO(), Clock()
    progress = LineProgress(stream, clock)
    progress.step("layers", 0, 1)
    clock.now_s += 1000
    progress.step("samples", 0, 2)
    clock.now_s += 6
    progress.step("samples", 1, 2)
    assert "samples: 1 of 2, about 0:06 left" in stream.getvalue()


def test_a_log_is_not_flooded() -> None:
    """Of a hundred quick steps few are written: the first, the last, and some."""
    stream, clock = io.StringIO(), Clock()
    progress = LineProgress(stream, clock)
    for done in range(101):
        progress.step("samples", done, 100)
        clock.now_s += 0.1
    shown = stream.getvalue().splitlines()
    assert 3 == len(shown)
    assert "0 of 100" in shown[0]
    assert "100 of 100" in shown[-1]


def test_a_terminal_has_a_bar() -> None:
    """Done and total are drawn; lines stand above, as they are, and all of it ends."""
    stream = Terminal()
    progress = TerminalProgress(stream)
    progress.step("layers", 0, 4)
    progress.step("layers", 3, 4)
    progress.say("[bold]not markup " + "x" * 200)
    progress.step("layers", 4, 4)
    progress.close()
    progress.close()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert " 75%" in shown
    assert "3/4" in shown
    assert "[bold]not markup " + "x" * 200 + "\n" in shown
    assert "100%" in shown
    assert shown.endswith("\n")


def test_another_work_has_another_bar() -> None:
    """The first one's bar stands finished above the second's, also of one name."""
    stream = Terminal()
    progress = TerminalProgress(stream)
    progress.step("layers", 1, 1)
    progress.step("samples", 0, 2)
    progress.step("samples", 1, 2)
    progress.step("samples", 0, 2)
    progress.close()
    assert 3 == stream.getvalue().count("\n")


def test_the_stream_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe, a file, or a terminal that cannot draw gets lines."""
    assert isinstance(progress_on(io.StringIO()), LineProgress)
    assert isinstance(progress_on(Terminal()), TerminalProgress)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_on(Terminal()), LineProgress)
