"""Midfill in a real Emacs, by lsp-mode's own inline completion."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from editor_server import EditorProgram, EditorServer, ScriptedServer, wait_for
from emacs_session import TAB, UNDO, EmacsSession, lisp_string
from obtain.record import ROOT

pytestmark = pytest.mark.editor

# What docs/editors.md tells a user to write, and the path of the program under test.
INIT = """
(add-to-list 'load-path {package})
(require 'midfill)
(setq midfill-server-command (list {program} "serve" "--stdio"))
(add-hook 'prog-mode-hook #'lsp-deferred)
(define-key lsp-inline-completion-active-map (kbd "TAB") #'lsp-inline-completion-accept)
(define-key lsp-inline-completion-active-map (kbd "M-f") #'midfill-accept-word)
(define-key lsp-inline-completion-active-map (kbd "C-e") #'midfill-accept-line)
(setq lsp-auto-guess-root t lsp-idle-delay 0.1 lsp-enable-snippet nil)
"""

Opened = Callable[..., EmacsSession]


@pytest.fixture
def opened(
    editor_program: EditorProgram, home: dict[str, str], tmp_path: Path
) -> Iterator[Opened]:
    """Open a file in Emacs, the cursor at its end, and wait for the server."""
    with ExitStack() as stack:

        def start(
            server: EditorServer, text: str | bytes = "x = ", *, init: str = ""
        ) -> EmacsSession:
            folder = tmp_path / "project"
            folder.mkdir()
            file = folder / "a.py"
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            package = lisp_string(str(ROOT / "editors" / "emacs"))
            program = lisp_string(str(server.program))
            session = EmacsSession(
                editor_program("emacs"),
                init=INIT.format(package=package, program=program) + init,
                file=file,
                environment=home,
            )
            stack.enter_context(session)
            wait_until_served(session)
            session.press("\x1b>")
            return session

        yield start


def wait_until_served(session: EmacsSession) -> None:
    """Wait until the server of the buffer is initialized."""
    session.wait_until(
        lambda: session.is_true(
            "(and (fboundp 'midfill--workspace) (midfill--workspace)"
            " (eq 'initialized (lsp--workspace-status (midfill--workspace)))"
            " lsp-inline-completion-mode)"
        ),
        what="the server",
    )


def test_tab_accepts_the_ghost_text(
    opened: Opened, scripted_server: ScriptedServer
) -> None:
    """Ghost text comes by itself, Tab inserts it, the server hears of it, one undo."""
    server = scripted_server("21 + 21")
    session = opened(server)
    session.press("y")
    session.wait_for_ghost("21 + 21")
    assert "x = y" == session.text
    session.press(TAB)
    session.wait_for_text("x = y21 + 21")
    assert "x = y21 + 21" == session.before_point
    wait_for(lambda: server.events("completion.accepted"), what="the report")
    (event,) = server.events("completion.accepted")
    session.press(UNDO)
    session.wait_for_text("x = y")
    print(event, session.messages)
    assert session.quit() < 1
