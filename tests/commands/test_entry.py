"""The entry point ends as a shell's user expects, whoever reads what it prints."""

import os
import subprocess
import sys


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """Where the pipe's other end is closed, as by `head`, nothing is complained of."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "lsp_server", "models", "list"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (141, "") == (done.returncode, done.stderr)
