"""The plugin's folder as package managers of Neovim take it."""

import subprocess
from pathlib import Path

import pytest
from editor_server import EditorProgram
from neovim_driver import PLUGIN
from neovim_home import home_in

pytestmark = pytest.mark.editor

CHECK = """
require("midfill").setup({ server = { command = { "/nowhere/midfill" } } })
assert(vim.fn.exists(":Midfill") == 2, "no command")
vim.cmd("helptags ALL")
vim.cmd("help midfill-settings")
assert(vim.bo.buftype == "help", "no help")
assert(require("midfill").statusline() ~= nil, "no statusline")
print("the plugin is there")
"""


def start(nvim: Path, home: dict[str, str], init: str, folder: Path) -> str:
    """Start Neovim with a configuration, and return what it wrote."""
    path, check = folder / "init.lua", folder / "check.lua"
    path.write_text(init)
    check.write_text(CHECK)
    then = ["-c", f"luafile {check}", "-c", "qall!"]
    done = subprocess.run(
        [nvim, "--headless", "-n", "-i", "NONE", "-u", path, *then],
        env=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_folder_under_pack(nvim_program: Path, tmp_path: Path) -> None:
    """The link that the README makes is enough."""
    home = home_in(tmp_path)
    site = Path(home["XDG_DATA_HOME"]) / "nvim" / "site"
    link = site / "pack" / "midfill" / "start" / "midfill.nvim"
    link.parent.mkdir(parents=True)
    # The help's index is written beside the help.
    copy(PLUGIN, tmp_path / "midfill.nvim")
    link.symlink_to(tmp_path / "midfill.nvim")
    output = start(nvim_program, home, "", tmp_path)
    assert "the plugin is there" in output, output


def test_vim_pack(editor_program: EditorProgram, tmp_path: Path) -> None:
    """Neovim 0.12's own manager clones the folder, as a repository, and loads it."""
    repository = tmp_path / "midfill.nvim"
    copy(PLUGIN, repository)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *command], check=True)
    add = f"vim.pack.add({{ 'file://{repository}' }}, {{ confirm = false }})"
    output = start(editor_program("nvim-0.12"), home_in(tmp_path), add, tmp_path)
    assert "the plugin is there" in output, output


def test_lazy_nvim() -> None:
    """lazy.nvim takes the folder by ``dir``, and calls ``setup`` with ``opts``."""
    pytest.skip("lazy.nvim is to be had from GitHub alone, not from a package index")


@pytest.mark.parametrize("version", ["0.8", "0.9"])
def test_older_versions(version: str) -> None:
    """The plugin shows its ghost text by the branches of ``compat.lua``."""
    pytest.skip(f"Neovim {version} is in no Debian suite and on neither PyPI nor npm")


def copy(source: Path, target: Path) -> None:
    """Copy the plugin's folder, without an index of its help."""
    for file in source.rglob("*"):
        if file.is_file() and file.name != "tags":
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
