"""A real Emacs in a terminal, typed into as by its user and looked into by its server.

Keys go through the terminal. What the user would see is read by evaluating Lisp through
the socket that ``emacsclient`` uses.
"""

import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from editor_server import wait_for
from terminal import Terminal

__all__ = ["TAB", "UNDO", "EmacsSession", "lisp_string"]

TAB, UNDO, QUIT = "\t", "\x1f", "\x18\x03"

_SETUP = """
(setq inhibit-startup-screen t  ring-bell-function #'ignore
      make-backup-files nil  auto-save-default nil  create-lockfiles nil
      native-comp-jit-compilation nil  native-comp-enable-subr-trampolines nil
      use-short-answers t  server-socket-dir {sockets})
(dolist (folder load-path) ; as Emacs does with the packages that a user installs
  (dolist (file (file-expand-wildcards (concat folder "/*-autoloads.el")))
    (when (string-match-p "/elpa-src/" file) (load file nil t))))
(require 'server)
(server-start)
"""


class EmacsSession(Terminal):
    """An Emacs that edits one file.

    Args:
        program: Emacs.
        init: Lisp that its user has in the init file.
        file: The file that is opened.
        environment: Its whole environment.
    """

    def __init__(
        self, program: Path, *, init: str, file: Path, environment: Mapping[str, str]
    ) -> None:
        sockets = Path(environment["XDG_RUNTIME_DIR"]) / "emacs"
        sockets.mkdir(mode=0o700, exist_ok=True)
        self._socket = sockets / "server"
        self._buffer = file.name
        setup = Path(environment["HOME"]) / "init.el"
        text = _SETUP.format(sockets=lisp_string(str(sockets))) + init
        setup.write_text(text, encoding="utf-8")
        super().__init__(
            [program, "-nw", "-Q", "-l", setup, file],
            environment=environment,
            folder=file.parent,
        )

    def __enter__(self) -> Self:
        """Return the session as soon as it can be looked into."""
        try:
            wait_for(self._listens, what="Emacs's own server", every_s=0.1)
        except AssertionError as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def evaluate(self, lisp: str) -> str:
        """Evaluate Lisp in the file's buffer, and return the printed value."""
        asked = f"(with-current-buffer {lisp_string(self._buffer)} {lisp})"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(20)
            connection.connect(str(self._socket))
            connection.sendall(f"-eval {_quoted(asked)}\n".encode())
            answer = b""
            while chunk := connection.recv(1 << 16):
                answer += chunk
        lines = [line.partition(" ") for line in answer.decode().splitlines()]
        errors = [_unquoted(text) for word, _, text in lines if word == "-error"]
        assert not errors, errors
        printed = ("-print", "-print-nonl")
        return "".join(
            _unquoted(text) for word, _, text in lines if word in printed
        ).strip()

    @property
    def text(self) -> str:
        """The text of the buffer."""
        return self._string("(buffer-substring-no-properties (point-min) (point-max))")

    @property
    def before_point(self) -> str:
        """The text of the buffer up to the cursor."""
        return self._string("(buffer-substring-no-properties (point-min) (point))")

    @property
    def ghost(self) -> str:
        """The ghost text that is shown; empty if there is none."""
        return self._string(
            "(let ((overlay lsp-inline-completion--overlay))"
            " (if (overlayp overlay) (substring-no-properties"
            "  (concat (overlay-get overlay 'display)"
            '          (overlay-get overlay \'after-string))) ""))'
        )

    @property
    def messages(self) -> str:
        """All that was said in the echo area."""
        return self._string('(with-current-buffer "*Messages*" (buffer-string))')

    def wait_until(self, look: Callable[[], object], *, what: str) -> None:
        """Wait until something is true of Emacs.

        It is seldom looked at: each look starts the time anew that Emacs counts as
        idle, and after which it asks for a completion.
        """
        wait_for(look, what=what, within_s=30, every_s=0.5)

    def is_true(self, lisp: str) -> bool:
        """Tell whether a Lisp expression is true."""
        return self.evaluate(f"(and {lisp} t)") == "t"

    def wait_for_ghost(self, ending: str) -> None:
        """Wait until the ghost text ends so."""
        what = f"ghost text {ending!r}"
        self.wait_until(lambda: self.ghost.endswith(ending), what=what)

    def wait_for_text(self, text: str) -> None:
        """Wait until the buffer holds exactly this."""
        self.wait_until(lambda: self.text == text, what=f"the text {text!r}")

    def quit(self) -> float:
        """Quit as a user does, unsaved changes given up; return the seconds it took."""
        self.evaluate("(set-buffer-modified-p nil)")
        began = time.monotonic()
        self.press(QUIT)
        self.process.wait(20)
        return time.monotonic() - began

    def _listens(self) -> bool:
        try:
            return self.evaluate("t") == "t"
        except OSError:
            return False

    def _string(self, lisp: str) -> str:
        # JSON, because Lisp's own printed strings have escapes of other kinds.
        encoded = self.evaluate(f"(json-encode-string {lisp})")
        return str(json.loads(json.loads(encoded)))


def lisp_string(text: str) -> str:
    """Write a string as Lisp reads it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted(text: str) -> str:
    """Write an argument as Emacs's server reads it."""
    for plain, quoted in (("&", "&&"), ("-", "&-"), ("\n", "&n"), (" ", "&_")):
        text = text.replace(plain, quoted)
    return text


def _unquoted(text: str) -> str:
    replaced = {"&": "&", "-": "-", "n": "\n", "_": " "}
    pieces = iter(text)
    return "".join(
        replaced[next(pieces)] if piece == "&" else piece for piece in pieces
    )
