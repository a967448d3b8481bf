"""What commands print and capture goes where it should, and harms no terminal."""

import argparse
import os
import pty
import subprocess
import sys

import pytest

from lsp_server.commands.display import has_colours, paint
from lsp_server.commands.terminal import captured_output, positive, positive_number

# In a process of its own, where Python's streams lead to the descriptors, as they do
# when somebody runs a command.
PROGRAM = """
import os, subprocess, sys
from lsp_server.commands.terminal import captured_output

sys.stdout.write("before ")
with captured_output() as file:
    sys.stdout.write("stream ")
    sys.stdout.flush()
    sys.stderr.write("errors ")
    os.write(2, b"descriptor ")
    subprocess.run(["printf", "child "], check=True)
    file.seek(0)
    captured = file.read()
    sys.stdout.write("late ")
sys.stdout.write("after ")
sys.stdout.write(repr(captured))
"""


def test_every_way_to_print_is_captured() -> None:
    """Python's streams, the descriptors themselves and child processes; not the rest.

    What was written before and after the block comes out in its order.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "" == done.stderr
    assert "before after b'stream errors descriptor child '" == done.stdout


def print_and_fail() -> None:
    """Print something in the block, and leave it with an error."""
    with captured_output():
        os.write(1, b"kept back")
        raise ValueError("in the block")


def test_printing_works_again_after_an_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """An error passes through, and what was kept back stays so."""
    with pytest.raises(ValueError, match="in the block"):
        print_and_fail()
    os.write(1, b"again")
    assert "again" == capfd.readouterr().out


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_alone(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    expected: bool,  # noqa: FBT001 - pytest passes a case's values by name
) -> None:
    """And for those whose user has not asked for none; a pipe never has them."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal, end = pty.openpty()
    reading, writing = os.pipe()
    with os.fdopen(end, "w") as screen, os.fdopen(writing, "w") as pipe:
        assert expected == has_colours(screen)
        assert not has_colours(pipe)
    os.close(terminal)
    os.close(reading)


def test_painted_text_stays_as_it_is() -> None:
    """Tabs and line ends of code are kept."""
    assert "\x1b[1;32m\ta\n  b\x1b[0m" == paint("\ta\n  b", "bold green")


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1.5"])
def test_a_count_is_a_whole_number_from_1(text: str) -> None:
    """Anything else is refused, with the text that was typed."""
    assert 12 == positive("12")
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is not a whole"):
        positive(text)


@pytest.mark.parametrize("text", ["0", "-1.5", "x", "", "nan", "inf"])
def test_a_duration_is_a_number_above_0(text: str) -> None:
    """Parts of a whole are accepted; anything else is refused."""
    assert 0.5 == positive_number("0.5")
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is not a number"):
        positive_number(text)
