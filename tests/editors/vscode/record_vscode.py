"""Records the pictures of VS Code: the real one, the real engine, the shipped model.

Run it with ``python tests/editors/vscode/record_vscode.py``; it writes
``docs/images/vscode.png`` and ``docs/images/vscode.gif``.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "servers"))

from editor_server import write_server
from obtain.record import FOLDER, ROOT
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from vscode.browser import open_browser
from vscode.code_server import CodeServer, install_extensions
from vscode.packaged import package_extension
from vscode.window import Window
from vscode.workspace import make_workspace

SIZE = (860, 560)
IMAGES = ROOT / "docs" / "images"
LOAD_S = 240
LOOK = {
    "workbench.colorTheme": "Default Dark Modern",
    "workbench.activityBar.location": "hidden",
    "workbench.layoutControl.enabled": False,
    "window.commandCenter": False,
    "breadcrumbs.enabled": False,
    "editor.cursorSurroundingLines": 5,
    "editor.fontSize": 15,
    "editor.lineHeight": 22,
    "editor.renderLineHighlight": "none",
    "editor.occurrencesHighlight": "off",
    "editor.selectionHighlight": False,
    "editor.stickyScroll.enabled": False,
    "editor.inlineSuggest.showToolbar": "never",
    "editor.quickSuggestions": {"other": "off"},
    "editor.suggestOnTriggerCharacters": False,
    "editor.parameterHints.enabled": False,
}
START = '''\
"""A small stock list."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Item:
    """One line of the stock list."""

    name: str
    quantity: int
    price: float = 0.0


@dataclass
class Inventory:
    """All the items that are in stock."""

    items: list[Item] = field(default_factory=list)
'''
# Text is typed; a tab waits for ghost text and takes it, a backspace ends a block.
KEYS = (
    "\n    def add(self, item: Item) -> None:\n",
    '"""Add one item."""\n',
    "\t",
    "(item)\n\n\bdef __len__(self) -> int:\n",
    '"""Return how many items there are."""\n',
    "\t",
)
NAMES = {"\n": "Enter", "\b": "Backspace"}


class Recorder:
    """Keeps pictures of a page with the times that they are shown for.

    Attributes:
        frames: Seconds and picture, the first one first.
        best: The last one with ghost text.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self.frames: list[tuple[float, Image.Image]] = []
        self.best = self.picture()

    def picture(self) -> Image.Image:
        """Take a picture now."""
        return Image.open(io.BytesIO(self._page.screenshot())).convert("RGB")

    def keep(self, seconds: float) -> None:
        """Take a picture that is shown for so long, unless nothing has changed."""
        image = self.picture()
        if self.frames and self.frames[-1][1].tobytes() == image.tobytes():
            before, _ = self.frames.pop()
            seconds += before
        self.frames.append((seconds, image))

    def write(self, path: Path) -> None:
        """Write the pictures as an animation of few colours."""
        palette = self.frames[-1][1].quantize(96, dither=Image.Dither.NONE)
        images = [
            image.quantize(palette=palette, dither=Image.Dither.NONE)
            for _, image in self.frames
        ]
        images[0].save(
            path,
            save_all=True,
            append_images=images[1:],
            duration=[round(seconds * 1000) for seconds, _ in self.frames],
            loop=0,
            optimize=True,
            disposal=1,
        )


def type_it(window: Window, recorder: Recorder) -> None:
    """Type as somebody does who waits for ghost text now and then, and takes it."""
    for part in KEYS:
        if part != "\t":
            for key in part:
                window.press(NAMES.get(key, key))
                recorder.keep(0.07)
            continue
        window.page.wait_for_function("midfillDom.ghost() !== ''", timeout=20_000)
        settle(window, lambda: window.ghost)
        recorder.keep(1.4)
        recorder.best = recorder.frames[-1][1]
        window.press("Tab")
        window.wait_for_no_ghost()
        recorder.keep(0.9)


def settle(window: Window, look: Callable[[], str]) -> None:
    """Wait until what is seen is the same after some frames."""
    seen = ""
    while seen != (seen := look()):
        window.page.evaluate(
            "new Promise((done) => { let left = 12; const step = () =>"
            " --left ? requestAnimationFrame(step) : done(); step(); })"
        )


def main() -> None:
    """Record both pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="midfill-record-") as name:
        folder = Path(name)
        server = write_server(folder / "server", {"ENGINE_KIND": "vllm"})
        install_extensions(FOLDER, folder / "extensions", package_extension(ROOT))
        workspace = make_workspace(
            folder / "shop",
            {"inventory.py": START},
            {"midfill.server.path": str(server.program)},
        )
        with (
            CodeServer(
                FOLDER, folder / "cs", folder / "extensions", settings=LOOK
            ) as code_server,
            sync_playwright() as playwright,
            open_browser(playwright, FOLDER, folder / "profile", size=SIZE) as browser,
        ):
            window = Window(browser, code_server, workspace, folder)
            window.show("inventory.py")
            window.press("Control+b")
            window.wait_until_ready(timeout_s=LOAD_S)
            window.focus()
            recorder = Recorder(window.page)
            recorder.keep(1.0)
            type_it(window, recorder)
            recorder.keep(2.0)
            recorder.best.save(IMAGES / "vscode.png", optimize=True)
            recorder.write(IMAGES / "vscode.gif")
        server.end()


if __name__ == "__main__":
    main()
