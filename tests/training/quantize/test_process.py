"""A command's words are passed on, and its failure is told."""

import sys
from pathlib import Path

import pytest

from lsp_server.errors import QuantizeError
from training.quantize.process import run_command


def test_passes_on_every_line() -> None:
    """Both streams arrive, line by line, in order, whatever their bytes."""
    script = (
        "import sys; print('one', flush=True);"
        "print('two', file=sys.stderr, flush=True);"
        "sys.stdout.buffer.write(b'\\xff\\n')"
    )
    lines: list[str] = []
    run_command([sys.executable, "-c", script], what="it", progress=lines.append)
    assert ["one", "two", "\ufffd"] == lines


def test_forbids_downloads() -> None:
    """The Hugging Face libraries are told to stay off the network."""
    lines: list[str] = []
    script = "import os; print(os.environ['HF_HUB_OFFLINE'])"
    run_command([sys.executable, "-c", script], what="it", progress=lines.append)
    assert ["1"] == lines


def test_a_failure_shows_the_last_lines() -> None:
    """The status and what the command said last are in the error."""
    script = "import sys; print('x\\n' * 100); print('no memory'); sys.exit(3)"
    with pytest.raises(QuantizeError, match="the work failed with status 3") as caught:
        run_command(
            [sys.executable, "-c", script], what="the work", progress=lambda _: None
        )
    assert "no memory" in caught.value.remedy
    assert len(caught.value.remedy.splitlines()) < 20


def test_a_killed_command_is_a_failure() -> None:
    """A worker that the kernel killed for memory is no success."""
    script = "import os; os.kill(os.getpid(), 9)"
    with pytest.raises(QuantizeError, match="status -9"):
        run_command([sys.executable, "-c", script], what="it", progress=lambda _: None)


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    """A Python that is gone is named."""
    with pytest.raises(QuantizeError, match="cannot be started") as caught:
        run_command([tmp_path / "python"], what="it", progress=lambda _: None)
    assert str(tmp_path / "python") == caught.value.subject


def test_an_interrupt_ends_the_command() -> None:
    """No worker outlives the person's Ctrl+C."""

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    # Without the kill, leaving the process' context would wait for this loop.
    script = "print('ready', flush=True)\nwhile True: pass"
    with pytest.raises(KeyboardInterrupt):
        run_command([sys.executable, "-c", script], what="it", progress=interrupt)
