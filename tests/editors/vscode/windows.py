"""Windows of one code-server, each on a workspace of its own."""

from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import BrowserContext
from vscode.code_server import CodeServer
from vscode.window import Window
from vscode.workspace import make_workspace

__all__ = ["Windows"]


class Windows:
    """Opens windows of one code-server, and closes them in the end."""

    def __init__(
        self, server: CodeServer, browser: BrowserContext, folder: Path, shots: Path
    ) -> None:
        self._server = server
        self._browser = browser
        self._folder = folder
        self._shots = shots
        self._open: list[Window] = []

    def open(
        self,
        settings: Mapping[str, object],
        files: Mapping[str, str] | None = None,
        *,
        file: str | None = "a.py",
    ) -> Window:
        """Open a window on a workspace of its own, and wait for the extension."""
        workspace = self._folder / f"workspace{len(self._open)}"
        make_workspace(workspace, files or {"a.py": ""}, settings)
        window = Window(self._browser, self._server, workspace, self._shots)
        self._open.append(window)
        window.show(file)
        return window

    def close(self) -> None:
        """Close every window."""
        for window in self._open:
            window.close()
