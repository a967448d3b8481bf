"""What goes wrong is reported once, with what to do, and does not slow the editor."""

from pathlib import Path

import pytest
from editor_server import FaultyServer
from neovim_driver import Neovim
from neovim_fixtures import Started

pytestmark = pytest.mark.editor

REMEDIES = {
    "crash": "ended with status",
    "garbage": "writes something else than messages",
    "other-version": "Update both to the same version",
}


def typing_works(neovim: Neovim) -> None:
    """Check that keys still do what they say, and that no error is shown."""
    neovim.type_out("<Esc>ccx = 1<Esc>")
    assert ["x = 1"] == neovim.lines
    assert "" == neovim.lua("return vim.v.errmsg")


@pytest.mark.parametrize("fault", REMEDIES)
def test_faulty_server_is_reported_once(
    start: Started, faulty_server: FaultyServer, tmp_path: Path, fault: str
) -> None:
    """A server that crashes, babbles or is of another version."""
    neovim = start()
    neovim.setup(server={"command": faulty_server(fault).command})
    neovim.edit(tmp_path / "a.py")
    text = str(neovim.wait("Notice").data["text"])
    assert REMEDIES[fault] in text
    typing_works(neovim)
    neovim.edit(tmp_path / "b.py")
    typing_works(neovim)
    assert [] == neovim.notices
    neovim.quit()


def test_silent_server_is_reported_once(
    start: Started, faulty_server: FaultyServer, tmp_path: Path
) -> None:
    """A server that never answers is reported after the time that the settings say."""
    neovim = start()
    command = faulty_server("hang").command
    neovim.setup(server={"command": command, "timeout_ms": 300})
    neovim.edit(tmp_path / "a.py")
    text = str(neovim.wait("Notice").data["text"])
    assert "does not answer" in text
    assert ":Midfill restart" in text
    typing_works(neovim)
    assert [] == neovim.notices
    neovim.quit()


def test_missing_server_is_reported_once(start: Started, tmp_path: Path) -> None:
    """Without a server the message names what is missing and what to set."""
    neovim = start()
    neovim.setup(server={"command": ["/nowhere/midfill", "serve", "--stdio"]})
    neovim.edit(tmp_path / "a.py")
    text = str(neovim.wait("Notice").data["text"])
    assert "/nowhere/midfill was not found" in text
    assert "server.command" in text
    neovim.edit(tmp_path / "b.py")
    typing_works(neovim)
    assert [] == neovim.notices
    assert "Midfill: error" == neovim.call("statusline")
    neovim.quit()


def test_wrong_settings_cost_themselves_alone(start: Started) -> None:
    """One message names each wrong setting; the others are taken."""
    neovim = start()
    neovim.setup(
        debounce_ms="fast",
        ghost="purple",
        colour="red",
        filetypes={"lua": False},
        server={"command": "midfill", "max_restarts": 1},
    )
    text = str(neovim.wait("Notice").data["text"])
    for part in [
        'debounce_ms is "fast"; it must be a whole number of milliseconds',
        "ghost is \"purple\"; it must be 'own' or 'native'",
        "colour is unknown; there are: debounce_ms",
        'server.command is "midfill"; it must be a list of strings',
    ]:
        assert part in text
    taken = neovim.lua(
        "local c = require('midfill.config').current;"
        " return { c.server.max_restarts, c.filetypes.lua, c.debounce_ms, c.ghost }"
    )
    assert [1, False, 0, "own"] == taken
    assert [] == neovim.notices
    neovim.quit()


def test_checkhealth_names_problem_and_remedy(start: Started) -> None:
    """``:checkhealth midfill`` finds a missing server and wrong settings."""
    neovim = start()
    neovim.setup(server={"command": ["/nowhere/midfill"]}, ghost=1)
    neovim.command("checkhealth midfill")
    text = "\n".join(neovim.lines)
    assert "/nowhere/midfill is not executable" in text
    assert "Install Midfill, or set server.command" in text
    assert "ghost is 1" in text
    neovim.quit()
