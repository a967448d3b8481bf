"""What is printed during a check goes into a file."""

import os
import subprocess
import sys

import pytest

from lsp_server.doctor.captured import captured_output

# In a process of its own, where Python's streams lead to the descriptors, as they do
# when somebody runs doctor.
PROGRAM = """
import os, subprocess, sys
from lsp_server.doctor.captured import captured_output

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


def test_output_is_given_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    """An error passes through, and printing works again."""
    with pytest.raises(ValueError, match="in the block"):
        print_and_fail()
    os.write(1, b"again")
    assert "again" == capfd.readouterr().out
