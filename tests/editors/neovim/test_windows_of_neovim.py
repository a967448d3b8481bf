"""Folds and wrapped lines, and what opens beside the file: doctor and models."""

import psutil
import pytest
from editor_server import wait_for
from neovim_driver import LINE, Neovim

from lsp_server.config import SHIPPED_MODEL

pytestmark = pytest.mark.editor


def shown(neovim: Neovim, keys: str) -> str:
    """Type keys and return the ghost text that comes."""
    neovim.type(keys)
    neovim.wait("Shown")
    return neovim.ghost


def test_closed_fold_is_left_as_it_is(neovim: Neovim) -> None:
    """Below a closed fold ghost text stands in its row, and accept changes no other."""
    folded = ["def f():", "    a = 1", "    return a"]
    neovim.lua("vim.api.nvim_buf_set_lines(0, 0, -1, true, ...)", [*folded, ""])
    neovim.command("set foldmethod=manual")
    neovim.command("2,3fold")
    assert LINE == shown(neovim, "Gix = ")
    (ghost,) = neovim.ghosts
    assert (3, 4) == (ghost.row, ghost.column)
    neovim.type("<Tab>")
    neovim.wait("Accepted")
    assert [*folded, f"x = {LINE}"] == neovim.lines
    assert 2 == neovim.lua("return vim.fn.foldclosed(3)")


def test_wrapped_line_is_completed(neovim: Neovim) -> None:
    """Behind a line that is wider than the window, the text goes in where it stands."""
    neovim.command("set wrap")
    typed = "x = " + "value + " * 20
    assert LINE == shown(neovim, f"i{typed}")
    (ghost,) = neovim.ghosts
    assert (0, len(typed)) == (ghost.row, ghost.column)
    neovim.type("<Tab>")
    neovim.wait("Accepted")
    assert [typed + LINE] == neovim.lines


def test_doctor_runs_in_a_terminal(neovim: Neovim) -> None:
    """``:Midfill doctor`` opens a terminal that runs the doctor of this server."""
    neovim.command("Midfill doctor")
    assert "terminal" == neovim.lua("return vim.bo.buftype")
    job = "vim.b.terminal_job_id"
    pid = int(str(neovim.lua(f"return vim.fn.jobpid({job})")))
    # Until the new process has become the program, it looks like Neovim.
    wait_for(lambda: psutil.Process(pid).cmdline()[-1] == "doctor", what="the doctor")
    neovim.lua(f"vim.fn.jobstop({job})")


# Tells the list that the user is to choose from, and chooses nothing.
_CHOOSE = """
local channel = ...
local select = vim.ui.select
vim.ui.select = function(names)
  vim.ui.select = select
  vim.rpcnotify(channel, "midfill", "Choice", { names = names })
end
"""


def test_models_of_the_registry_can_be_chosen(neovim: Neovim) -> None:
    """``:Midfill model`` offers the names that the program lists, and no more."""
    neovim.lua(_CHOOSE, neovim.channel)
    neovim.command("Midfill model")
    names = neovim.wait("Choice").data["names"]
    assert isinstance(names, list)
    assert SHIPPED_MODEL == names[0]
    assert "qwen2.5-coder-0.5b" in names
    assert "name" not in names


def test_named_model_is_loaded(neovim: Neovim) -> None:
    """``:Midfill model NAME`` starts the server again with that model."""
    neovim.command(f"Midfill model {SHIPPED_MODEL}")
    neovim.wait("Ended")
    neovim.wait("Status", state="ready")
    model = "require('midfill.config').current.server.settings.model"
    assert {"path": SHIPPED_MODEL} == neovim.lua(f"return {model}")
    assert LINE == shown(neovim, "ix = ")
