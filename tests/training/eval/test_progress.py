"""Progress tells how far and how fast, on a terminal and in a file."""

import io

import pytest

from training.eval.progress import Progress


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> list[float]:
    """Give the time, in seconds, to be set."""
    return [0.0]


def count(stream: io.StringIO, clock: list[float], steps: int) -> str:
    """What is said while so many steps take half a second each."""
    progress = Progress(stream, lambda: clock[0])
    progress.begin("asking", steps)
    for _ in range(steps):
        clock[0] += 0.5
        progress.step()
    return stream.getvalue()


def test_file(clock: list[float]) -> None:
    """A file gets some lines, the last one at the end."""
    lines = count(io.StringIO(), clock, 400).splitlines()
    assert 20 == len(lines)
    assert "asking: 400 of 400, 2.0 a second" == lines[-1]


def test_terminal(clock: list[float]) -> None:
    """A terminal gets each step on one line."""
    said = count(Terminal(), clock, 3)
    assert 3 == said.count("\r")
    assert said.endswith("asking: 3 of 3, 2.0 a second\n")


def test_sentence() -> None:
    """A sentence stays, with the command's name."""
    stream = io.StringIO()
    Progress(stream).say("hello")
    assert "midfill eval: hello\n" == stream.getvalue()
