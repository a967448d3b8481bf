"""Neovim 0.12 without the plugin, configured as its README says."""

import re
from pathlib import Path

import pytest
from editor_server import EditorProgram, ScriptedServer, wait_for
from neovim_driver import LINE, TEXT, Neovim
from neovim_home import home_in
from obtain.record import ROOT

pytestmark = pytest.mark.editor


def test_snippet_of_readme_completes(
    editor_program: EditorProgram,
    scripted_server: ScriptedServer,
    tmp_path: Path,
) -> None:
    """The ten lines as they stand show ghost text, and Tab accepts it or indents."""
    server = scripted_server(TEXT)
    text = (ROOT / "editors/neovim/README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```lua\n(vim\.lsp\.config.*?)```", text, re.DOTALL)
    snippet = re.sub(r'"[^"]*midfill"(?=, "serve")', f'"{server.program}"', snippet)
    init = tmp_path / "init.lua"
    init.write_text(f"vim.o.expandtab = true\n{snippet}", encoding="utf-8")
    neovim = Neovim(editor_program("nvim-0.12"), home_in(tmp_path), ["-u", str(init)])
    try:
        neovim.edit(tmp_path / "a.py")
        server.wait_until_ready()
        neovim.type_out("i<Tab>")
        assert neovim.lines[0].isspace()
        neovim.type_out("<Esc>ccx = ")
        wait_for(lambda: neovim.ghost, what="ghost text")
        assert LINE == neovim.ghost
        neovim.type_out("<Tab>")
        wait_for(lambda: neovim.lines != ["x = "], what="the accepted text")
        assert [f"x = {LINE}"] == neovim.lines
        neovim.quit()
    finally:
        neovim.end()
