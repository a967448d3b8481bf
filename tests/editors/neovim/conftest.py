"""Starts Neovims: one for the tests that only type, one of their own for the others."""

from collections.abc import Generator
from pathlib import Path

import pytest
from editor_server import EditorProgram, EditorServer, write_server
from neovim_driver import CANDIDATES, KEYS, TEXT, Neovim
from neovim_fixtures import Started
from neovim_home import home_in
from obtain.record import UnobtainableError, program

VERSIONS = ("nvim-0.10", "nvim-0.11", "nvim-0.12")
SHARED = [*((version, "own") for version in VERSIONS), ("nvim-0.12", "native")]


@pytest.fixture(scope="session", params=SHARED, ids="-".join)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[Neovim, EditorServer, str]]:
    """One Neovim and one server for each version and each way to draw."""
    version, ghost = request.param
    try:
        nvim = program(version)
    except UnobtainableError as exc:
        pytest.skip(str(exc))
    folder = tmp_path_factory.mktemp(f"{version}-{ghost}")
    settings = {
        "SCRIPTED_TEXT": TEXT,
        "SCRIPTED_CANDIDATES": "\x1e".join(CANDIDATES),
    }
    server = write_server(folder / "server", settings)
    neovim = Neovim(nvim, home_in(folder))
    try:
        neovim.setup(server={"command": server.command}, ghost=ghost)
        neovim.edit(folder / "first.py")
        neovim.wait("Status", state="ready")
        yield neovim, server, ghost
        neovim.quit()
        server.assert_gone()
    finally:
        neovim.end()
        server.end()


@pytest.fixture
def ghost_kind(shared: tuple[Neovim, EditorServer, str]) -> str:
    """``own`` or ``native``."""
    return shared[2]


@pytest.fixture
def server(shared: tuple[Neovim, EditorServer, str]) -> EditorServer:
    """The server of ``neovim``."""
    return shared[1]


@pytest.fixture
def neovim(shared: tuple[Neovim, EditorServer, str], tmp_path: Path) -> Neovim:
    """A Neovim whose server is ready, with an empty file of its own, keys mapped."""
    shared_neovim, server, ghost = shared
    shared_neovim.type_out("<Esc><Esc>")
    shared_neovim.lua("pcall(vim.keymap.del, 'i', '<Tab>')")
    shared_neovim.command("silent! %bwipeout!")
    shared_neovim.command("set expandtab shiftwidth=4 autoindent")
    shared_neovim.setup(server={"command": server.command}, ghost=ghost, keymaps=KEYS)
    shared_neovim.edit(tmp_path / "file.py")
    shared_neovim.wait("Attached")
    return shared_neovim


@pytest.fixture(params=VERSIONS)
def nvim_program(request: pytest.FixtureRequest, editor_program: EditorProgram) -> Path:
    """The program of each version."""
    return editor_program(request.param)


@pytest.fixture
def start(nvim_program: Path, tmp_path: Path) -> Generator[Started]:
    """Start Neovims of a test's own."""
    started: list[Neovim] = []

    def begin(*arguments: str, **environment: str) -> Neovim:
        neovim = Neovim(nvim_program, home_in(tmp_path) | environment, arguments)
        started.append(neovim)
        return neovim

    yield begin
    for neovim in started:
        neovim.end()
