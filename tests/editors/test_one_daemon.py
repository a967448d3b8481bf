"""Two windows of one editor and one of another share one engine."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from editor_server import EditorProgram, ScriptedServer
from emacs_session import END, EmacsSession, midfill_init
from neovim_driver import LINE, TEXT, Neovim
from neovim_home import home_in

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from daemons import daemon_home

pytestmark = pytest.mark.editor


def test_two_neovims_and_an_emacs_share_one_engine(
    editor_program: EditorProgram,
    scripted_server: ScriptedServer,
    home: dict[str, str],
    tmp_path: Path,
) -> None:
    """Each shows what it asked for; one leaves, and the others go on."""
    server = scripted_server(TEXT, DAEMON_MODE="require")
    with daemon_home() as daemon, ExitStack() as editors:
        started = []
        for number in range(2):
            folder = tmp_path / f"neovim-{number}"
            environment = home_in(folder) | daemon.environment
            neovim = Neovim(editor_program("nvim-0.12"), environment)
            editors.callback(neovim.end)
            started.append(neovim)
            neovim.setup(server={"command": server.command})
            neovim.edit(folder / "a.py")
            neovim.wait("Status", state="ready")
            neovim.type("ix = ")
            neovim.wait("Shown")
            assert LINE == neovim.ghost

        file = tmp_path / "b.py"
        file.write_text("x = ", encoding="utf-8")
        emacs = EmacsSession(
            editor_program("emacs"),
            init=midfill_init(server.program),
            file=file,
            environment=home | daemon.environment,
        )
        editors.enter_context(emacs)
        emacs.wait_until_served()
        emacs.press(END)
        emacs.press("y")
        emacs.wait_for_ghost(LINE)
        status = daemon.status()
        assert 1 == len(daemon.processes())
        engines, connections = status["engines"], status["connections"]
        assert isinstance(engines, list)
        assert isinstance(connections, list)
        names = [each["editor"] for each in connections]
        assert ["Neovim", "Neovim", "emacs"] == names
        assert [3] == [each["connections"] for each in engines]
        started[0].quit()
        started[1].type("<Esc>oy = ")
        started[1].wait("Shown")
        assert LINE == started[1].ghost
        started[1].quit()
        emacs.quit()
