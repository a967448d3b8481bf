"""Servers of the tests of faults and restarts, and a completion that shows them."""

from collections.abc import Mapping
from pathlib import Path

from editor_server import EditorServer, write_server
from vscode.window import Window

__all__ = ["ANSWER", "HEAD", "Servers", "complete", "new_line", "repair", "settings"]

ANSWER = "sum(items)"
HEAD = "def total(items):\n    "


class Servers:
    """The servers of a module, which are ended after its last test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[EditorServer] = []

    def make(self, fault: str | None = None, **script: str) -> EditorServer:
        """Make one, with a fault or with other settings of the engine."""
        return self._keep(fault, None, script)

    def make_in(self, environment: Mapping[str, str], **script: str) -> EditorServer:
        """Make one with further variables in its environment."""
        return self._keep(None, None, script, environment)

    def make_behind(self, gate: Path) -> EditorServer:
        """Make one that begins when a line is written to the gate, a named pipe."""
        return self._keep(None, gate, {})

    def _keep(
        self,
        fault: str | None,
        gate: Path | None,
        script: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
    ) -> EditorServer:
        settings = {"SCRIPTED_TEXT": ANSWER} | dict(script)
        folder = self._folder / str(len(self._made))
        made = write_server(
            folder, settings, fault=fault, gate=gate, environment=environment
        )
        self._made.append(made)
        return made

    def end(self) -> None:
        """End all of them."""
        for server in self._made:
            server.end()


def settings(server: EditorServer) -> dict[str, object]:
    """Return the settings that lead to a server."""
    return {"midfill.server.path": str(server.program)}


def new_line(window: Window) -> None:
    """Put the cursor on an empty line at the end."""
    window.focus()
    window.press("Escape", "Enter")


def complete(window: Window) -> None:
    """Type, see ghost text and leave it."""
    new_line(window)
    window.type("x = ")
    window.wait_for_ghost(ANSWER)
    window.press("Escape")
    window.wait_for_no_ghost()


def repair(window: Window, good: EditorServer) -> None:
    """Lead to a server that works, and see a completion of it."""
    window.page.bring_to_front()
    mark = window.events.mark()
    if window.set_settings(settings(good) | {"midfill.model.path": None}):
        window.wait_for_new_server(since=mark)
    window.command("Notifications: Clear All Notifications")
    complete(window)
