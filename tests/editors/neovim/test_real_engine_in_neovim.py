"""Once with the real engine and the shipped model, in the newest Neovim."""

import os
import signal
from pathlib import Path

import pytest
from editor_server import RealServer
from neovim_fixtures import Started

from lsp_server.config import SHIPPED_MODEL

pytestmark = [pytest.mark.editor, pytest.mark.engine]

SOURCE = '''\
def add(a: int, b: int) -> int:
    """Return the sum of a and b."""
'''


@pytest.mark.parametrize("nvim_program", ["nvim-0.12"], indirect=True)
def test_the_shipped_model_completes(
    start: Started, real_server: RealServer, tmp_path: Path
) -> None:
    """The model's ghost text is accepted, and a killed editor leaves nothing."""
    server = real_server()
    neovim = start()
    neovim.setup(server={"command": server.command}, keymaps={"accept": "<Tab>"})
    neovim.edit(tmp_path / "add.py", SOURCE)
    neovim.wait("Status", within_ms=240_000, state="ready")
    assert "Midfill" == neovim.call("statusline")
    described = neovim.call("describe")
    assert isinstance(described, list)
    assert any(SHIPPED_MODEL in line for line in described)
    neovim.type("Goreturn a")
    neovim.wait("Shown")
    neovim.type("<Tab>")
    text = str(neovim.wait("Accepted").data["text"])
    assert neovim.lines[2].startswith("    return a" + text.split("\n", maxsplit=1)[0])
    os.kill(neovim.pid, signal.SIGKILL)
    server.assert_gone()
