"""The entry point ends as a shell's user expects, whoever reads what it prints."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lsp_server.commands import entry

SLOW = {
    "MIDFILL_ENGINE_KIND": "scripted",
    "MIDFILL_SCRIPTED_START_DELAY_MS": "60000",
}


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


@pytest.mark.parametrize(
    ("number", "ignored", "status"),
    [
        (signal.SIGINT, "--default-signal", 130),
        (signal.SIGTERM, "--default-signal", 130),
        (signal.SIGHUP, "--default-signal", 130),
        # As a shell's `&` starts it.
        (signal.SIGTERM, "--ignore-signal=INT", -signal.SIGTERM),
    ],
)
def test_a_signal_ends_a_command_as_ctrl_c_does(
    tmp_path: Path, number: signal.Signals, ignored: str, status: int
) -> None:
    """While doctor's engine starts: no traceback, and no temporary file is left."""
    with subprocess.Popen(
        [
            *("env", ignored, sys.executable, "-u", "-m", "lsp_server"),
            "doctor",
        ],
        env=os.environ | SLOW | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # The model is the last finding before the engine starts.
        while " model " not in process.stdout.readline():
            continue
        os.kill(process.pid, number)
        said = process.stderr.read()
    assert (status, "") == (process.returncode, said)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["serve --stdio", "complete x.py:1:1", "demo"])
@pytest.mark.parametrize(("option", "variable"), [("-O", ""), ("-OO", ""), ("-B", "1")])
def test_no_server_runs_without_assertions(
    command: str, option: str, variable: str
) -> None:
    """vLLM checks by `assert` what it is sent: `python -O` is refused (fault 33)."""
    done = subprocess.run(
        [sys.executable, option, "-m", "lsp_server", *command.split()],
        env=os.environ | SLOW | {"PYTHONOPTIMIZE": variable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (1, "") == (done.returncode, done.stdout)
    assert "without -O, and unset PYTHONOPTIMIZE" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *("daemon", "doctor", "health", "keys", "models", "stats", "trace"),
        *("quantize", "eval"),
    ],
)
def test_only_commands_with_an_editor_import_the_protocol(command: str) -> None:
    """The others start sooner without pygls; serve, complete and demo need it."""
    program = (
        "import sys\n"
        "from lsp_server.commands import entry\n"
        f"entry._module_of({command!r})\n"
        "print({'pygls', 'lsprotocol', 'lsp_server.protocol'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "set()\n" == done.stdout


@pytest.mark.parametrize("command", ["quantize", "eval"])
@pytest.mark.parametrize("words", [["--help"], ["x"]])
def test_tells_how_to_get_what_is_not_installed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    words: list[str],
) -> None:
    """Without the repository the commands of training say where they are."""
    monkeypatch.setattr(entry, "_ROOT", tmp_path)
    assert 1 == entry.main([command, *words])
    reported = capsys.readouterr().err
    assert command in reported
    assert "Clone Midfill's repository" in reported
