"""What an attached server loads, and what it costs."""

import subprocess
import sys

import pytest

from lsp_server.commands import entry

NOT_LOADED = (
    *("asyncio", "pydantic", "pygls", "lsprotocol", "cattrs", "torch", "vllm"),
    *("logging", "psutil", "subprocess", "importlib.metadata", "numpy"),
)


def test_an_attached_server_loads_no_library() -> None:
    """An editor has its answer a tenth of a second after the start, in 60 MiB."""
    program = (
        "import sys\n"
        "from lsp_server.__main__ import main\n"
        "main(['serve', '--stdio'])\n"
        f"print([name for name in {NOT_LOADED!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"MIDFILL_DAEMON_MODE": "require", "HOME": "/nowhere"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[]\n" == done.stdout
    assert "end of input" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--listen-tcp", "127.0.0.1:1"],
        ["--tls-certificate", "a.pem"],
        ["--tls-key", "a.pem"],
        ["--insecure-without-tls-or-keys"],
    ],
)
def test_what_only_a_team_has_is_refused_for_an_editor(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather than left without an effect."""
    assert 1 == entry.main(["serve", "--stdio", *words])
    assert f"{words[0]}: this option has no effect" in capsys.readouterr().err
