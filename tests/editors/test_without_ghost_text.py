"""Editors that know language servers and no inline completion are left in peace."""

from pathlib import Path

import pytest
from editor_server import (
    EditorProgram,
    EditorServer,
    ScriptedServer,
    saved_in,
    wait_for,
)
from emacs_session import EmacsSession, lisp_string
from terminal import Terminal

pytestmark = pytest.mark.editor

HELIX = """
[language-server.midfill]
command = {program!r}
args = ["serve", "--stdio"]

[[language]]
name = "python"
language-servers = ["midfill"]
"""

EGLOT = """
(require 'eglot)
(add-to-list 'eglot-server-programs '(python-mode . ({program} "serve" "--stdio")))
(add-hook 'python-mode-hook #'eglot-ensure)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in a project of its own."""
    made = tmp_path / "project" / "a.py"
    made.parent.mkdir()
    made.write_text("x = \n")
    return made


def assert_nothing_was_wrong(server: EditorServer) -> None:
    """Check that the server had nothing to complain of, and was started once."""
    assert [] == [e for e in server.events() if e.level in {"WARNING", "ERROR"}]
    assert "Traceback" not in server.stderr
    assert 1 == len(server.pids)


@pytest.mark.parametrize("start_delay_ms", [0, 600_000], ids=["ready", "loading"])
def test_helix(
    editor_program: EditorProgram,
    scripted_server: ScriptedServer,
    home: dict[str, str],
    file: Path,
    start_delay_ms: int,
) -> None:
    """Helix attaches, shows nothing, logs nothing, and quits in any state."""
    server = scripted_server("21 + 21", start_delay_ms=start_delay_ms)
    config = Path(home["XDG_CONFIG_HOME"]) / "helix" / "languages.toml"
    config.parent.mkdir()
    config.write_text(HELIX.format(program=str(server.program)))
    log = file.with_name("helix.log")
    command: list[str | Path] = [editor_program("hx"), "-v", "--log", log, file]
    with Terminal(
        command,
        environment=home,
        folder=file.parent,
        answers={b"\x1b[c": b"\x1b[?62c"},
    ) as helix:
        wait_for(
            lambda: log.exists() and "textDocument/didOpen" in log.read_text("utf-8"),
            what="the attached server",
        )
        if not start_delay_ms:
            server.wait_until_ready()
        helix.press("Ay")
        helix.wait_for(lambda written: b"INS" in written, what="insert mode")
        helix.press("\x1b")
        helix.wait_for(
            lambda written: written.rfind(b"NOR") > written.rfind(b"INS"),
            what="normal mode",
        )
        helix.press(":w\r")
        wait_for(lambda: saved_in(file) == b"x = y\n", what="the saved file")
        helix.press(":q!\r")
        helix.wait_for_end()
        assert b"21 + 21" not in helix.written
    reported = log.read_text(encoding="utf-8").splitlines()
    assert [] == [line for line in reported if "[ERROR]" in line or "[WARN]" in line]
    assert_nothing_was_wrong(server)


def test_eglot(
    editor_program: EditorProgram,
    scripted_server: ScriptedServer,
    home: dict[str, str],
    file: Path,
) -> None:
    """Eglot attaches, shows nothing, warns of nothing, and Emacs quits."""
    server = scripted_server("21 + 21")
    init = EGLOT.format(program=lisp_string(str(server.program)))
    emacs = editor_program("emacs")
    with EmacsSession(emacs, init=init, file=file, environment=home) as session:
        server.wait_until_ready()
        session.press("\x1b<\x05y")
        session.wait_for_text("x = y\n")
        for word in ("rror", "arning", "unknown"):
            assert word not in session.messages
        session.quit()
        assert b"21 + 21" not in session.written
    assert_nothing_was_wrong(server)


def test_kakoune(editor_program: EditorProgram) -> None:
    """Kakoune speaks to servers by kakoune-lsp alone, which has to be obtained."""
    editor_program("kak-lsp")
    pytest.fail("kakoune-lsp can be had now: test it as Helix is tested")
