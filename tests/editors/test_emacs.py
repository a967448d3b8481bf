"""Midfill in a real Emacs, by lsp-mode's own inline completion."""

import enum
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from editor_server import (
    EditorProgram,
    EditorServer,
    Fault,
    FaultyServer,
    RealServer,
    ScriptedServer,
    saved_in,
    wait_for,
)
from emacs_session import END, TAB, UNDO, EmacsSession, midfill_init

pytestmark = pytest.mark.editor

ASK, NEXT, WORD, LINE, SAVE = "\x03i", "\x0e", "\x1bf", "\x05", "\x18\x13"


class Until(enum.Enum):
    """How far Emacs has come when a test begins."""

    STARTED = enum.auto()
    OPEN = enum.auto()
    SERVED = enum.auto()
    READY = enum.auto()


Opened = Callable[..., EmacsSession]


@pytest.fixture
def opened(
    editor_program: EditorProgram, home: dict[str, str], tmp_path: Path
) -> Iterator[Opened]:
    """Open a file in Emacs, wait for the server, and move to the file's end."""
    with ExitStack() as stack:

        def start(
            server: EditorServer, text: str = "x = ", *, until: Until = Until.READY
        ) -> EmacsSession:
            folder = tmp_path / "project"
            folder.mkdir()
            file = folder / "a.py"
            file.write_bytes(text.encode())
            session = EmacsSession(
                editor_program("emacs"),
                init=midfill_init(server.program),
                file=file,
                environment=home,
            )
            stack.enter_context(session)
            if until is Until.STARTED:
                return session
            if until is not Until.OPEN:
                session.wait_until_served()
            if until is Until.READY:
                server.wait_until_ready(within_s=240)
            session.press(END)
            shown = text.replace("\r", "")
            wait_for(lambda: session.seen.before_point == shown, what="the file")
            return session

        yield start


def reports(server: EditorServer, count: int) -> list[tuple[str, str]]:
    """Wait for reports of acceptance, and return what was accepted of how much."""
    name = "completion.accepted"
    wait_for(lambda: len(server.events(name)) >= count, what=f"{count} reports")
    events = server.events(name)
    return [(e.fields["accepted_chars"], e.fields["offered_chars"]) for e in events]


def assert_no_errors(session: EmacsSession, server: EditorServer) -> None:
    """Check that neither the user nor the server's log was shown an error."""
    assert "rror" not in session.messages
    assert "Midfill runs without" not in session.messages
    assert [] == [e for e in server.events() if e.level in {"WARNING", "ERROR"}]


def test_tab_accepts_the_ghost_text(
    opened: Opened, scripted_server: ScriptedServer
) -> None:
    """Ghost text comes by itself, Tab inserts it, the server is notified, one undo."""
    server = scripted_server("21 + 21")
    session = opened(server)
    session.press("y")
    session.wait_for_ghost("21 + 21")
    assert "x = y" == session.seen.text
    session.wait_for(lambda written: b"21 + 21" in written, what="it on the screen")
    session.press(TAB)
    session.wait_for_text("x = y21 + 21")
    assert "x = y21 + 21" == session.seen.before_point
    assert [("7", "7")] == reports(server, 1)
    session.press(UNDO)
    session.wait_for_text("x = y")
    assert_no_errors(session, server)
    session.quit()


def test_words_and_candidates(opened: Opened, scripted_server: ScriptedServer) -> None:
    """A word is accepted and the rest stays; an explicit request gives several."""
    server = scripted_server("alpha(beta)", candidates=("gamma", "delta"))
    session = opened(server, "x = 1\n")
    session.press(ASK)
    session.wait_for_ghost("alpha(beta)")
    session.press(NEXT)
    session.wait_for_ghost("gamma")
    session.press(NEXT)
    session.wait_for_ghost("delta")
    session.press(NEXT)
    session.wait_for_ghost("alpha(beta)")
    session.press(WORD)
    session.wait_for_text("x = 1\nalpha")
    session.wait_for_ghost("(beta)")
    session.press(WORD)
    session.wait_for_text("x = 1\nalpha(")
    session.press(LINE)
    session.wait_for_text("x = 1\nalpha(beta)")
    assert [("5", "11"), ("6", "11"), ("11", "11")] == reports(server, 3)
    assert_no_errors(session, server)
    session.quit()


def test_line_ends_and_characters_of_two_units(
    opened: Opened, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    """Behind emoji the text lands at the cursor, and a DOS file keeps its line ends."""
    server = scripted_server("a = 1\n    return a\n")
    before = "def f(n):  # \U0001f600\r\n"
    session = opened(server, before)
    session.press("    ")
    session.wait_for_ghost("return a")
    session.press(TAB)
    text = f"{before}    a = 1\r\n    return a"
    session.wait_for_text(text.replace("\r", ""))
    session.press("\rx = '\U0001f600\U0001f600' + ")
    session.wait_for_ghost("a = 1")
    session.press(TAB)
    text += "\r\nx = '\U0001f600\U0001f600' + a = 1"
    session.wait_for_text(text.replace("\r", ""))
    session.press(SAVE)
    file = tmp_path / "project" / "a.py"
    # Emacs ends a Python file with a line end.
    whole = f"{text}\r\n".encode()
    wait_for(lambda: whole == saved_in(file), what="the saved file")
    assert_no_errors(session, server)
    session.quit()


def test_server_that_is_killed_comes_back(
    opened: Opened, scripted_server: ScriptedServer
) -> None:
    """The user is asked once, goes on typing, and gets completions after a yes."""
    server = scripted_server("21 + 21")
    session = opened(server)
    server.kill()
    session.wait_for(lambda written: b"restart it?" in written, what="the question")
    session.press("y")
    # lsp-mode starts a server again when Emacs is idle after a key.
    session.press("y")
    wait_for(lambda: len(server.pids) > 1, what="another server")
    server.wait_until_ready(times=2)
    session.press("z")
    session.wait_for_ghost("21 + 21")
    assert "x = yz" == session.seen.text
    assert 1 == session.messages.count("Do you want to restart it?")
    session.quit()


def test_quit_does_not_wait_for_the_model(
    opened: Opened, scripted_server: ScriptedServer
) -> None:
    """While it is being loaded, which the mode line says: lsp-mode gets its answer."""
    server = scripted_server(start_delay_ms=600_000)
    session = opened(server, until=Until.SERVED)
    session.wait_for(
        lambda reported: b"Midfill:loading" in reported, what="the mode line"
    )
    session.quit()
    assert b"Timeout" not in session.written


@pytest.mark.parametrize("fault", ["missing", "crash", "garbage", "hang"])
def test_faulty_server_leaves_the_editor_alone(
    opened: Opened,
    scripted_server: ScriptedServer,
    faulty_server: FaultyServer,
    fault: Fault,
) -> None:
    """Whatever the server does, what is typed stands in the buffer, and Emacs ends."""
    server = scripted_server() if fault == "missing" else faulty_server(fault)
    if fault == "missing":
        server.program.unlink()
    # One that crashes may do so before the file is seen, and then Emacs asks first.
    first = Until.STARTED if fault == "crash" else Until.OPEN
    session = opened(server, until=first)
    if fault == "crash":
        session.wait_for(
            lambda reported: b"restart it?" in reported, what="the question"
        )
        session.press("n")
        session.press(END)
    session.press("y + 1")
    session.wait_for_text("x = y + 1")
    session.quit()


@pytest.mark.engine
def test_real_model_completes(opened: Opened, real_server: RealServer) -> None:
    """The shipped model's own text is shown and accepted, and its engine ends."""
    server = real_server()
    session = opened(
        server, "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n"
    )
    session.press("    ret")
    session.wait_for_ghost("a - b")
    session.press(TAB)
    wait_for(lambda: "return a - b" in session.seen.text, what="the text")
    session.quit()
