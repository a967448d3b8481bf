"""Two windows of one editor and one of another share one engine."""

import asyncio
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from editor_server import EditorProgram, ScriptedServer
from neovim_driver import LINE, TEXT, Neovim
from neovim_home import home_in

from lsp_server.client.headless import headless_client

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from daemons import daemon_home

pytestmark = pytest.mark.editor


def test_two_neovims_and_another_editor_share_one_engine(
    editor_program: EditorProgram, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """Each shows what it asked for; one leaves, and the other goes on."""
    server = scripted_server(TEXT, DAEMON_MODE="require")
    with daemon_home() as home, ExitStack() as editors:
        started = []
        for number in range(2):
            folder = tmp_path / f"neovim-{number}"
            environment = home_in(folder) | home.environment
            neovim = Neovim(editor_program("nvim-0.12"), environment)
            editors.callback(neovim.end)
            started.append(neovim)
            neovim.setup(server={"command": server.command})
            neovim.edit(folder / "a.py")
            neovim.wait("Status", state="ready")
            neovim.type("ix = ")
            neovim.wait("Shown")
            assert LINE == neovim.ghost

        async def look_from_another() -> dict[str, object]:
            async with headless_client(
                server.command,
                stderr_path=tmp_path / "headless.log",
                environment=os.environ | home.environment,
            ) as client:
                await client.wait_until_ready(30)
                return home.status()

        status = asyncio.run(look_from_another())
        assert 1 == len(home.processes())
        engines, connections = status["engines"], status["connections"]
        assert isinstance(engines, list)
        assert isinstance(connections, list)
        names = [each["editor"] for each in connections]
        assert ["Neovim", "Neovim", "midfill headless client"] == names
        assert [3] == [each["connections"] for each in engines]
        started[0].quit()
        started[1].type("<Esc>oy = ")
        started[1].wait("Shown")
        assert LINE == started[1].ghost
        started[1].quit()
