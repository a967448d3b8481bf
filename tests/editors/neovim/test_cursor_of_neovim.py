"""The plugin says where the cursor rests, and the engine reads ahead for the place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from editor_server import ScriptedServer, wait_for
from neovim_driver import TEXT, Neovim
from neovim_fixtures import Started

pytestmark = pytest.mark.editor

LINES = "".join(f"a{number} = {number}\n" for number in range(40))

# Tells of what the server is sent, and of each rest of the cursor behind that.
_WATCH = """
local channel = ...
local compat, cursor = require("midfill.compat"), require("midfill.cursor")
local originals = { notify = compat.notify, rested = cursor.rested }
compat.notify = function(client, method, params)
  if method == "midfill/cursor" then
    local at = params.position
    vim.rpcnotify(channel, "midfill", "Told", {
      file = vim.fn.fnamemodify(vim.uri_to_fname(params.textDocument.uri), ":t"),
      line = at.line,
      character = at.character,
    })
  end
  return originals.notify(client, method, params)
end
cursor.rested = function(buf)
  originals.rested(buf)
  vim.rpcnotify(channel, "midfill", "Rested", vim.empty_dict())
end
_G.unwatch = function()
  compat.notify, cursor.rested = originals.notify, originals.rested
end
"""


@pytest.fixture
def watched(neovim: Neovim, tmp_path: Path) -> Iterator[Neovim]:
    """A Neovim whose server was told of the first line of ``lines.py``."""
    neovim.lua(_WATCH, neovim.channel)
    neovim.edit(tmp_path / "lines.py", LINES)
    assert [("lines.py", 0)] == told(neovim)
    yield neovim
    neovim.lua("unwatch()")


def told(neovim: Neovim) -> list[tuple[str, int]]:
    """Wait until the cursor rests, and return what the server was told until then."""
    return [
        (str(event.data["file"]), int(str(event.data["line"])))
        for event in neovim.collect("Rested")
        if event.name == "Told"
    ]


def test_line_where_the_cursor_rests_is_told(watched: Neovim) -> None:
    """A jump is told with the column of the line's end; a move within it is not."""
    watched.lua("vim.api.nvim_buf_set_lines(0, 20, 21, true, { 'ä = 🚄 + b' })")
    watched.type("21G2l")
    event = watched.wait("Told")
    assert 20 == event.data["line"]
    assert len("ä = 🚄 + b".encode()) == event.data["character"]
    watched.wait("Rested")
    watched.type("0")
    assert [] == told(watched)


def test_cursor_on_its_way_is_not_told(watched: Neovim) -> None:
    """Of many moves the last one is told, and a way back to the known line is none."""
    watched.type("jjjjjjjj")
    assert [("lines.py", 8)] == told(watched)
    watched.type("jk")
    assert [] == told(watched)


def test_another_buffer_and_window_are_told(watched: Neovim, tmp_path: Path) -> None:
    """Each has its own cursor, and it is told when it becomes the current one."""
    watched.command("split")
    watched.type("30G")
    assert [("lines.py", 29)] == told(watched)
    watched.type("<C-w>w")
    assert [("lines.py", 0)] == told(watched)
    watched.edit(tmp_path / "other.py", LINES)
    assert [("other.py", 0)] == told(watched)
    watched.command("buffer lines.py")
    assert [("lines.py", 0)] == told(watched)
    watched.command("only")


def test_edits_are_not_told(watched: Neovim) -> None:
    """Where a command of Normal mode, or Insert mode, changes a line, it is known."""
    watched.type("10Gx")
    assert [] == told(watched)
    watched.type("20Gi")
    assert [] == told(watched)
    watched.type("x = <Esc>")
    assert [] == told(watched)
    watched.type("a<Down><Down><Esc>")
    assert [] == told(watched)
    watched.type("k")
    assert [("lines.py", 20)] == told(watched)


def test_selected_text_is_no_place(watched: Neovim) -> None:
    """In Visual mode nothing is told."""
    watched.type("v30G")
    assert [] == told(watched)


def test_buffer_that_is_left_or_gone_is_not_told(
    watched: Neovim, tmp_path: Path
) -> None:
    """Who leaves before the cursor has come to rest tells nothing of either buffer."""
    watched.type("9G")
    assert [("lines.py", 8)] == told(watched)
    watched.type("20G:enew<CR>")
    assert [] == told(watched)
    watched.edit(tmp_path / "gone.py", LINES)
    assert [("gone.py", 0)] == told(watched)
    watched.type("9G:enew<Bar>bwipeout! #<CR>")
    assert [] == told(watched)
    assert [] == watched.notices


@pytest.mark.parametrize("scope", ["global", "language", "buffer", "snooze"])
def test_nothing_is_told_where_completions_are_off(watched: Neovim, scope: str) -> None:
    """Switched on again, the place where the cursor rests now is told."""
    off, on = f"toggle {scope}", f"toggle {scope}"
    if scope == "snooze":
        off, on = "snooze 30", "snooze off"
    watched.command(f"Midfill {off}")
    watched.type("9G")
    assert [] == told(watched)
    watched.command(f"Midfill {on}")
    assert [("lines.py", 8)] == told(watched)


def test_detached_buffer_is_not_told(watched: Neovim) -> None:
    """What the server does not have is no place to it."""
    watched.lua("require('midfill.server').detach(vim.api.nvim_get_current_buf())")
    watched.type("9G")
    assert [] == told(watched)


def test_server_that_does_not_ask_for_it_is_not_told(watched: Neovim) -> None:
    """Only who offers it in its capabilities is sent it."""
    client = "require('midfill.server').client()"
    offer = f"{client}.server_capabilities.experimental.midfill.cursor"
    watched.lua(f"{offer} = nil")
    watched.type("9G")
    assert [] == told(watched)
    watched.lua(f"{offer} = true")
    watched.type("8G")
    assert [("lines.py", 7)] == told(watched)


def test_another_server_is_told_anew(watched: Neovim) -> None:
    """A stop is quiet, and the next server is told where the cursor rests."""
    watched.type("9G")
    watched.command("Midfill stop")
    watched.wait("Ended")
    assert [] == told(watched)
    watched.type("gg")
    assert [] == told(watched)
    watched.command("Midfill start")
    assert 0 == watched.wait("Told").data["line"]
    assert [] == watched.notices


def test_loading_engine_is_told_when_it_is_ready(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """Until then nothing can be read ahead; then it is, wherever the cursor rests."""
    server = scripted_server(TEXT, start_delay_ms=2_000, LOG_LEVEL="debug")
    neovim = start()
    neovim.setup(server={"command": server.command})
    neovim.lua(_WATCH, neovim.channel)
    neovim.edit(tmp_path / "a.py", LINES)
    neovim.wait("Status", state="loading")
    neovim.type("9G")
    assert [] == told(neovim)
    neovim.wait("Status", state="ready")
    assert [("a.py", 8)] == told(neovim)
    neovim.type("30G")
    assert [("a.py", 29)] == told(neovim)
    wait_for(lambda: len(server.events("prompt.read_ahead")) == 2, what="both places")
    neovim.quit()
