"""A real Emacs in a terminal, typed into as by its user and looked into by its server.

Keys go through the terminal. What the user sees is noted by Emacs itself in a file,
after each command and whenever ghost text was shown. More is asked by evaluating Lisp
through the socket that ``emacsclient`` uses, which counts as input: lsp-mode then gives
up the request that it is waiting for. So nothing is asked before or while ghost text is
expected.
"""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from editor_server import wait_for
from obtain.record import ROOT
from terminal import Terminal

__all__ = ["END", "TAB", "UNDO", "EmacsSession", "lisp_string", "midfill_init"]

END, TAB, UNDO, QUIT = "\x1b>", "\t", "\x1f", "\x18\x03"

# What docs/editors.md tells a user to write, and the path of the program under test.
_INIT = """
(add-to-list 'load-path {package})
(require 'midfill)
(setq midfill-server-command (list {program} "serve" "--stdio"))
(add-hook 'prog-mode-hook #'lsp-deferred)
(define-key lsp-inline-completion-active-map (kbd "TAB") #'lsp-inline-completion-accept)
(define-key lsp-inline-completion-active-map (kbd "M-f") #'midfill-accept-word)
(define-key lsp-inline-completion-active-map (kbd "C-e") #'midfill-accept-line)
(define-key lsp-mode-map (kbd "C-c i") #'lsp-inline-completion-display)
(setq lsp-auto-guess-root t lsp-idle-delay 0.1 lsp-enable-snippet nil
      lsp-client-packages nil) ; the clients of other servers take seconds to load
"""

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
(require 'json)
(defun note ()
  "Write down the text, the cursor and the ghost text of the file's buffer."
  (when (equal (buffer-name) {buffer})
    (let ((overlay (bound-and-true-p lsp-inline-completion--overlay)))
      (write-region
       (concat (json-encode
                `((time_s . ,(float-time))
                  (served . ,(if (bound-and-true-p lsp-inline-completion-mode)
                                 t :json-false))
                  (text . ,(buffer-substring-no-properties (point-min) (point-max)))
                  (before_point
                   . ,(buffer-substring-no-properties (point-min) (point)))
                  (ghost . ,(if (overlayp overlay)
                                (substring-no-properties
                                 (concat (overlay-get overlay 'display)
                                         (overlay-get overlay 'after-string)))
                              ""))))
               "\n")
       nil {notes} t 'silent))))
(add-hook 'post-command-hook #'note)
(add-hook 'lsp-inline-completion-mode-hook #'note)
(add-hook 'lsp-inline-completion-shown-hook #'note)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the user of an Emacs sees at one time.

    Attributes:
        time_s: When, in seconds of the epoch.
        served: Whether a server completes in this buffer.
        text: The text of the buffer.
        before_point: Its text up to the cursor.
        ghost: The ghost text; empty if none is shown.
    """

    time_s: float = 0.0
    served: bool = False
    text: str = ""
    before_point: str = ""
    ghost: str = ""


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
        self._notes = Path(environment["HOME"]) / "notes"
        given = {"sockets": sockets, "notes": self._notes, "buffer": self._buffer}
        quoted = {name: lisp_string(str(value)) for name, value in given.items()}
        setup.write_text(_SETUP.format(**quoted) + init, encoding="utf-8")
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
            connection.settimeout(60)
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
    def seen(self) -> Seen:
        """What the user sees now."""
        return self.notes[-1]

    @property
    def notes(self) -> list[Seen]:
        """All that the user has seen, the first first."""
        try:
            lines = self._notes.read_text(encoding="utf-8").split("\n")[:-1]
        except FileNotFoundError:
            return [Seen()]
        return [Seen(**json.loads(line)) for line in lines]

    @property
    def messages(self) -> str:
        """All that was said in the echo area."""
        lisp = '(json-encode-string (with-current-buffer "*Messages*" (buffer-string)))'
        # JSON, because Lisp's own printed strings have escapes of other kinds.
        return str(json.loads(json.loads(self.evaluate(lisp))))

    def wait_until_served(self) -> None:
        """Wait until a server completes in the buffer."""
        wait_for(lambda: self.seen.served, what="the server")

    def wait_for_ghost(self, ending: str) -> None:
        """Wait until the ghost text ends so."""
        what = f"ghost text {ending!r}"
        wait_for(lambda: self.seen.ghost.endswith(ending), what=what)

    def wait_for_text(self, text: str) -> None:
        """Wait until the buffer holds exactly this."""
        wait_for(lambda: self.seen.text == text, what=f"the text {text!r}")

    def quit(self) -> None:
        """Quit as a user does, unsaved changes given up."""
        self.evaluate("(set-buffer-modified-p nil)")
        self.press(QUIT)
        self.wait_for_end()

    def _listens(self) -> bool:
        try:
            return self.evaluate("t") == "t"
        except OSError:
            return False


def midfill_init(program: Path) -> str:
    """Return what a user has in the init file to be served by a program."""
    package = lisp_string(str(ROOT / "editors" / "emacs"))
    return _INIT.format(package=package, program=lisp_string(str(program)))


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
