"""The extension says where the cursor rests, and the engine reads ahead there."""

from collections.abc import Generator

import pytest
from editor_server import EditorServer, wait_for
from vscode.fault_servers import ANSWER, Servers, settings
from vscode.window import Window
from vscode.windows import Windows

pytestmark = pytest.mark.editor

LINES = 40
FILES = {
    "a.py": "".join(f"a{number} = {number}\n" for number in range(LINES)),
    "b.py": "b = 1\n",
}


@pytest.fixture(scope="module")
def server(servers: Servers) -> EditorServer:
    """A server that logs what it reads ahead."""
    return servers.make(LOG_LEVEL="debug")


@pytest.fixture(scope="module")
def window(windows: Windows, server: EditorServer) -> Generator[Window]:
    """A window whose cursor stands at the beginning of a file."""
    window = windows.open(settings(server), FILES)
    window.wait_until_ready()
    yield window
    window.close()


def wait_for_places(server: EditorServer, count: int) -> None:
    """Wait until the engine has read the prompts for so many places, or more."""
    wait_for(
        lambda: len(server.events("prompt.read_ahead")) >= count,
        what=f"place {count}",
    )


def test_engine_reads_ahead_where_the_cursor_rests(
    window: Window, server: EditorServer
) -> None:
    """A window that was just opened, a jump, and another file: each is read ahead."""
    window.events.wait("cursor", line=0)
    wait_for_places(server, 1)
    window.press("Control+End")
    window.events.wait("cursor", line=LINES)
    wait_for_places(server, 2)
    window.open("b.py")
    window.events.wait("cursor", line=1)
    wait_for_places(server, 3)


def test_typing_is_no_move(window: Window) -> None:
    """Keys are asked for, not told of: only the jump behind them is."""
    before = window.events.mark()
    window.open("a.py")
    mark = window.events.wait_until_after("cursor", since=before, line=LINES)
    for _ in range(3):
        window.press("Enter")
        window.type("x = ")
        window.wait_for_ghost(ANSWER)
        window.press("Escape")
    window.press("Control+Home")
    first = window.events.wait("cursor", since=mark)
    assert 0 == first["line"]
