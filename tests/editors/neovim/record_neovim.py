"""Records the pictures of Neovim: a real Neovim, the real engine, the shipped model.

``make screenshots`` runs it; it writes ``docs/images/neovim.png`` and
``docs/images/neovim.gif``.
"""

import itertools
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from editor_server import write_server
from neovim_driver import Neovim
from neovim_home import home_in
from neovim_screen import Screen
from obtain.record import ROOT, program
from PIL import Image

COLUMNS, ROWS = 76, 20
IMAGES = ROOT / "docs" / "images"
LOOK = (
    "syntax on",
    "set termguicolors background=dark laststatus=2 shortmess+=F",
    "set noshowmode noshowcmd noruler number signcolumn=no",
    "set expandtab shiftwidth=4 autoindent",
    "hi MidfillGhost guifg=#7f8490 gui=italic",
    "set statusline=\\ %t%=%{%v:lua.require'midfill'.statusline()%}\\ ",
)
LOAD_MS = 240_000


class Recorder:
    """Keeps each whole screen with the time at which it was there."""

    def __init__(self) -> None:
        self.screen = Screen(columns=COLUMNS, rows=ROWS)
        self.frames: list[tuple[float, Image.Image]] = []
        self.records = False

    def begin(self) -> None:
        """Record from now on, beginning with what is on the screen."""
        self.frames = [(time.monotonic(), self.screen.picture())]
        self.records = True

    def redraw(self, batches: object) -> None:
        """Take a ``redraw`` notification."""
        assert isinstance(batches, list)
        if self.screen.apply(batches) and self.records:
            self.frames.append((time.monotonic(), self.screen.picture()))

    def write(self, path: Path) -> None:
        """Write the frames as an animation that runs as fast as it was seen."""
        frames = [self.frames[0]]
        for at, image in self.frames[1:]:
            if image.tobytes() != frames[-1][1].tobytes():
                frames.append((at, image))
        times = [at for at, _ in frames]
        durations = [
            max(20, round((after - at) * 100) * 10)
            for at, after in itertools.pairwise(times)
        ]
        palette = frames[-1][1].quantize(64, dither=Image.Dither.NONE)
        images = [
            image.quantize(palette=palette, dither=Image.Dither.NONE)
            for _, image in frames
        ]
        images[0].save(
            path,
            save_all=True,
            append_images=images[1:],
            duration=[*durations, 2500],
            loop=0,
            optimize=True,
        )


def type_slowly(neovim: Neovim, text: str, chance: random.Random) -> None:
    """Type as a person does."""
    for key in text:
        neovim.type("<lt>" if key == "<" else key)
        neovim.pause(chance.randint(60, 130))


def main() -> int:
    """Record, and say what was written."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    server = write_server(folder / "server", {"ENGINE_KIND": "vllm"})
    recorder = Recorder()
    neovim = Neovim(
        program("nvim-0.12"),
        home_in(folder),
        size=(COLUMNS, ROWS),
        on_redraw=recorder.redraw,
    )
    try:
        for line in LOOK:
            neovim.command(line)
        keys = {"accept": "<Tab>", "accept_word": "<C-l>"}
        neovim.setup(server={"command": server.command}, keymaps=keys)
        source = (ROOT / "docs" / "examples" / "inventory.py").read_text()
        neovim.edit(folder / "inventory.py", source)
        neovim.wait("Status", within_ms=LOAD_MS, state="ready")
        show(neovim, recorder)
    finally:
        neovim.quit()
        neovim.end()
        server.end()
    size_bytes = (IMAGES / "neovim.gif").stat().st_size
    sys.stdout.write(
        f"docs/images/neovim.gif: {size_bytes} bytes, {len(recorder.frames)} screens\n"
    )
    return 0


def show(neovim: Neovim, recorder: Recorder) -> None:
    """Complete in the example file, word by word and whole."""
    chance = random.Random(3)  # noqa: S311 - how fast a person types
    neovim.command("normal! 20Gzt25G")
    neovim.pause(200)
    recorder.begin()
    neovim.pause(700)
    neovim.type("A")
    neovim.wait("Shown")
    neovim.pause(1200)
    neovim.type("<Tab>")
    neovim.wait("Accepted")
    neovim.pause(700)
    neovim.type("<Esc>34GA")
    neovim.wait("Shown")
    neovim.pause(300)
    recorder.screen.picture().save(IMAGES / "neovim.png", optimize=True)
    neovim.pause(900)
    type_slowly(neovim, "it", chance)
    neovim.pause(500)
    neovim.type("<C-l>")
    neovim.wait("Accepted", part="word")
    neovim.pause(700)
    neovim.type("<Tab>")
    neovim.wait("Accepted", part="all")
    neovim.pause(1200)
    recorder.records = False
    recorder.write(IMAGES / "neovim.gif")


if __name__ == "__main__":
    sys.exit(main())
