"""The server behind Neovim: started once, restarted, ended with the editor."""

import signal
from pathlib import Path

import pytest
from editor_server import EditorServer, ScriptedServer
from neovim_driver import LINE, TEXT, Neovim
from neovim_fixtures import Started

pytestmark = pytest.mark.editor


def ready(neovim: Neovim, server: EditorServer, path: Path) -> None:
    """Set the plugin up and wait until its server can complete."""
    neovim.setup(server={"command": server.command}, keymaps={"accept": "<Tab>"})
    neovim.edit(path)
    neovim.wait("Status", state="ready")


def test_two_roots_and_no_root_share_one_server(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """Files of two repositories and one of none are completed by one server."""
    server = scripted_server(TEXT)
    neovim = start()
    (tmp_path / "one" / ".git").mkdir(parents=True)
    (tmp_path / "two" / ".git").mkdir(parents=True)
    ready(neovim, server, tmp_path / "one" / "a.py")
    for path in [tmp_path / "two" / "b.py", tmp_path / "c.py"]:
        neovim.edit(path)
        neovim.wait("Attached")
        neovim.type("ix = ")
        neovim.wait("Shown")
        neovim.type_out("<Esc>")
        neovim.command("write")
    assert 1 == len(server.pids)
    neovim.quit()


def test_unnamed_buffers_wait_for_a_name(neovim: Neovim, tmp_path: Path) -> None:
    """All unnamed buffers would be one document; with a name, one is completed."""
    neovim.command("enew")
    neovim.command("set filetype=python")
    neovim.type_out("ix = <Esc>")
    seen = {event.name for event in neovim.events_so_far()}
    assert {"Asked", "Shown", "Attached"}.isdisjoint(seen)
    assert "" == neovim.call("statusline")
    neovim.command(f"write {tmp_path / 'named.py'}")
    neovim.wait("Attached")
    neovim.type("A+ ")
    neovim.wait("Shown")


@pytest.mark.parametrize("kind", ["terminal", "prompt", "help"])
def test_other_buffers_are_left_alone(neovim: Neovim, kind: str) -> None:
    """Terminals, prompts and help are no documents."""
    neovim.command({"terminal": "terminal true"}.get(kind, "new"))
    if kind != "terminal":
        neovim.command(f"set buftype={kind}")
    neovim.command("set filetype=python")
    assert "Attached" not in [event.name for event in neovim.events_so_far()]


def test_it_asks_by_itself_when_the_model_is_loaded(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """Who typed while it loaded gets a suggestion without another key."""
    server = scripted_server(TEXT, start_delay_ms=700)
    neovim = start()
    neovim.setup(server={"command": server.command})
    neovim.edit(tmp_path / "a.py")
    neovim.wait("Status", state="loading")
    neovim.type_out("ix = ")
    assert str(neovim.call("statusline")).startswith("Midfill ")
    names = [event.name for event in neovim.collect("Shown")]
    assert names.index("Asked") > names.index("Status")
    assert LINE == neovim.ghost
    neovim.quit()


def test_restart_starts_another_server(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """``:Midfill restart`` ends the server, starts one, and completes again."""
    server = scripted_server(TEXT)
    neovim = start()
    ready(neovim, server, tmp_path / "a.py")
    neovim.command("Midfill restart")
    neovim.wait("Ended")
    neovim.wait("Status", state="ready")
    neovim.type("ix = ")
    neovim.wait("Shown")
    assert 2 == len(server.pids)
    neovim.quit()


def test_stop_and_start(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """``:Midfill stop`` ends the server, and ``:Midfill start`` brings one back."""
    server = scripted_server(TEXT)
    neovim = start()
    ready(neovim, server, tmp_path / "a.py")
    neovim.command("Midfill stop")
    neovim.wait("Ended")
    assert "Midfill: stopped" == neovim.call("statusline")
    server.assert_gone()
    neovim.command("Midfill start")
    neovim.wait("Status", state="ready")
    assert [] == neovim.notices
    neovim.quit()


def test_killed_server_is_started_again_with_one_message(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """The user gets one message, and completions come back."""
    server = scripted_server(TEXT)
    neovim = start()
    ready(neovim, server, tmp_path / "a.py")
    server.kill(signal.SIGKILL)
    events = neovim.collect("Started")
    neovim.wait("Status", state="ready")
    neovim.type("ix = ")
    neovim.wait("Shown")
    notices = [e for e in [*events, *neovim.events_so_far()] if e.name == "Notice"]
    (notice,) = notices
    assert "signal 9 and is started again" in str(notice.data["text"])
    neovim.quit()


def test_dead_engine_is_reported_once_with_what_to_do(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """A crash of the engine does not block the keys, and Restart is a command."""
    server = scripted_server(TEXT, die_after_requests=1)
    neovim = start()
    ready(neovim, server, tmp_path / "a.py")
    neovim.type("ix = ")
    neovim.wait("Question")
    neovim.type_out("y")
    assert ["x = y"] == neovim.lines
    neovim.command("Midfill restart")
    events = neovim.collect("Status", state="ready")
    assert "Ended" not in [event.name for event in events]
    assert 1 == len(server.pids)
    neovim.quit()


def test_quit_while_loading_does_not_wait_and_leaves_nothing(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """Neovim ends before the model is loaded, and the server with it."""
    server = scripted_server(TEXT, start_delay_ms=600_000)
    neovim = start()
    neovim.setup(server={"command": server.command})
    neovim.edit(tmp_path / "a.py")
    neovim.wait("Started")
    neovim.quit()
    server.assert_gone()


def test_quit_is_clean(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """The server is asked to shut down and ends with status 0."""
    server = scripted_server(TEXT)
    neovim = start()
    ready(neovim, server, tmp_path / "a.py")
    neovim.quit()
    server.assert_gone()
    (event,) = server.events("server.end")
    assert "0" == event.fields["exit_code"]
