"""Servers that load, restart or are killed: what the user asked for still comes."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from editor_server import EditorServer
from vscode.fault_servers import (
    ANSWER,
    Servers,
    complete,
    new_line,
    repair,
    settings,
)
from vscode.window import Window

pytestmark = pytest.mark.editor

LOADING = r"^\$\(loading\) Midfill \d+%$"
ERROR = r"^\$\(error\) Midfill$"


@pytest.fixture
def window(shared_window: Window) -> Window:
    """A window whose server works."""
    return shared_window


@pytest.fixture(autouse=True)
def repaired(window: Window, good: EditorServer) -> Generator[None]:
    """After each test the user has a server that works, and completions."""
    yield
    repair(window, good)


def test_typing_before_the_server_answers_initialize(
    window: Window, servers: Servers, tmp_path: Path
) -> None:
    """VS Code cannot even ask; the completion comes without another key."""
    gate = tmp_path / "gate"
    mark = window.events.mark()
    window.set_settings(settings(servers.make_behind(gate)))
    started = window.events.wait_until_after("server.start", since=mark)
    new_line(window)
    window.type("x = ")
    assert () == window.events.all("request", since=started)
    gate.write_text("\n")
    window.events.wait("ask_again", since=started)
    window.wait_for_ghost(ANSWER)
    window.press("Escape")


def test_asking_by_hand_while_the_model_is_loaded(
    window: Window, servers: Servers
) -> None:
    """It is answered as soon as it can be, without another key."""
    new_line(window)
    mark = window.events.mark()
    window.set_settings(settings(servers.make(SCRIPTED_START_DELAY_MS="3000")))
    window.events.wait("server.start", since=mark)
    window.wait_for_status(LOADING)
    window.press("Control+Alt+i")
    window.events.wait("request", since=mark, automatic=False, held=True)
    assert () == window.events.all("status", since=mark, kind="ready")
    window.wait_until_ready(since=mark)
    window.wait_for_ghost(ANSWER)
    window.press("Tab")
    window.wait_for_lines(f"    {ANSWER}")


@pytest.mark.parametrize("state", ["loading", "ready", "engine dead"])
def test_a_restart_is_answered_at_once(
    window: Window, servers: Servers, good: EditorServer, state: str
) -> None:
    """Whatever the server does, it answers ``shutdown`` and ends by itself."""
    slow = {"SCRIPTED_START_DELAY_MS": "5000"}
    dying = {"SCRIPTED_START_DELAY_MS": "1000", "SCRIPTED_DIE_AFTER_REQUESTS": "1"}
    mark = window.events.mark()
    if state == "ready":
        server = good
    else:
        server = servers.make(None, **(slow if state == "loading" else dying))
        window.set_settings(settings(server))
        window.events.wait("server.start", since=mark)
        window.wait_for_status(LOADING)
    if state == "engine dead":
        window.wait_until_ready(since=mark)
        dead = window.events.mark()
        window.focus()
        # One request alone: one that is superseded might be the one that kills.
        window.press("Escape", "Control+Alt+i")
        window.events.wait("status", since=dead, kind="loading")
    mark = window.events.mark()
    stopped = server.pids[-1]
    window.command("Midfill: Restart the Server")
    event = window.events.wait("server.stopped", since=mark, server_pid=stopped)
    assert event["polite"] is True
    assert not Path(f"/proc/{stopped}").exists()
    window.wait_for_new_server(since=mark)


def test_the_server_is_killed_again_and_again(
    window: Window, good: EditorServer
) -> None:
    """It is started again four times, then the user is asked."""
    mark = window.events.mark()
    window.command("Midfill: Restart the Server")
    window.wait_for_new_server(since=mark)
    for time in range(5):
        mark = window.events.mark()
        os.kill(good.pids[-1], signal.SIGKILL)
        if time < 4:
            window.wait_for_new_server(since=mark)
            assert [] == window.messages
    window.events.wait("message", since=mark, key="crashes")
    window.wait_for_status(ERROR)
    assert 1 == len(window.messages)
    window.shot("crashes")
    window.press_button("keeps ending", "Restart")
    window.wait_for_new_server(since=mark)
    complete(window)
