"""From the key to the ghost text in a real Emacs, with the real engine.

``python -m benchmarks.emacs_latency`` types into an example file behind a
word character, a dot and Enter, and prints when ghost text was shown, counted from the
last key. lsp-mode's delays are its own defaults and part of each figure: before it asks
it waits ``lsp-idle-delay`` (500 ms) and Midfill's ``midfill-idle-delay`` (100 ms).
``make install-editors`` obtains Emacs.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "editors"))

from editor_server import EditorServer, write_server
from emacs_session import EmacsSession, lisp_string
from obtain.record import FOLDER, ROOT, program

ROUNDS = 20
WAITED_S = 0.6
DEADLINE_S = 4.0
KINDS = {
    "word": "    total = quanti",
    "dot": "    count = self.",
    "enter": "    if self.items:\r",
}

INIT = """
(add-to-list 'load-path {package})
(require 'midfill)
(setq midfill-server-command (list {program} "serve" "--stdio"))
(add-hook 'prog-mode-hook #'lsp-deferred)
(setq lsp-auto-guess-root t lsp-enable-snippet nil lsp-client-packages nil)
"""
DISMISS, CLEAR_LINE, END = "\x07", "\x01\x0b", "\x1b>"


def started(folder: Path, server: EditorServer) -> EmacsSession:
    """Start an Emacs on a copy of the example file."""
    file = folder / "project" / "inventory.py"
    file.parent.mkdir()
    shutil.copy(ROOT / "docs" / "examples" / "inventory.py", file)
    for place in ("home", "run"):
        (folder / place).mkdir(mode=0o700)
    environment = {
        "HOME": str(folder / "home"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_CACHE_HOME": str(FOLDER / "cache"),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }
    package = lisp_string(str(ROOT / "editors" / "emacs"))
    path = lisp_string(str(server.program))
    init = INIT.format(package=package, program=path)
    return EmacsSession(program("emacs"), init=init, file=file, environment=environment)


def measured_ms(session: EmacsSession, keys: str) -> float | None:
    """Type keys and return the time to the ghost text; None if none came."""
    session.press(END + "\r" + CLEAR_LINE)
    time.sleep(0.3)
    began = time.time()
    session.press(keys)
    shown = None
    while shown is None and time.time() < began + DEADLINE_S:
        time.sleep(0.02)
        notes = [n.time_s for n in session.notes if n.ghost and n.time_s > began]
        shown = notes[0] if notes else None
    session.press(DISMISS + CLEAR_LINE)
    return None if shown is None else (shown - began) * 1000


def main() -> None:
    """Measure, and print the figures."""
    with tempfile.TemporaryDirectory(prefix="midfill-emacs-") as name:
        folder = Path(name)
        server = write_server(folder / "server", {"ENGINE_KIND": "vllm"})
        with started(folder, server) as session:
            session.wait_until_served()
            server.wait_until_ready(within_s=600)
            for kind, keys in KINDS.items():
                times = [measured_ms(session, keys) for _ in range(ROUNDS)]
                shown = sorted(ms for ms in times if ms is not None)
                figures = {
                    "kind": kind,
                    "shown": len(shown),
                    "asked": ROUNDS,
                    "waited_ms": round(WAITED_S * 1000),
                    "p50_ms": round(statistics.median(shown)) if shown else None,
                    "p95_ms": round(shown[int(0.95 * (len(shown) - 1))])
                    if shown
                    else None,
                }
                print(json.dumps(figures), flush=True)
            session.quit()
        server.assert_gone()


if __name__ == "__main__":
    main()
