"""What goes wrong: the user sees one message, and its button helps."""

import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from editor_server import EditorServer
from playwright.sync_api import expect
from vscode.fault_servers import (
    ANSWER,
    HEAD,
    Servers,
    complete,
    new_line,
    repair,
    settings,
)
from vscode.window import Window
from vscode.windows import Windows

pytestmark = pytest.mark.editor

GARBAGE, NO_ANSWER = "something else than messages", "does not answer"
ERROR = r"^\$\(error\) Midfill$"


@pytest.fixture(scope="module")
def silent(windows: Windows, servers: Servers) -> Window:
    """A window whose server says nothing that makes sense; VS Code waits for it."""
    return windows.open(settings(servers.make("garbage")), {"a.py": HEAD})


@pytest.fixture
def window(shared_window: Window, silent: Window) -> Window:
    """A window whose server works, beside one whose server does not."""
    del silent  # It is to be open, no more.
    return shared_window


@pytest.fixture(autouse=True)
def repaired(window: Window, good: EditorServer) -> Generator[None]:
    """After each test the user has a server that works, and completions."""
    yield
    repair(window, good)


def test_the_server_of_the_selected_python_environment(
    window: Window, good: EditorServer
) -> None:
    """It is found beside the interpreter that the Python extension has selected.

    That extension is one of the tests', under the real one's id and with its API: the
    real one is to be had from its marketplace alone.
    """
    selected = window.workspace / "selected-python.txt"
    selected.write_text(str(good.program.with_name("python")))
    mark = window.events.mark()
    window.set_settings({"midfill.server.path": None})
    origin = "Python environment"
    window.events.wait("server.found", since=mark, origin=origin)
    window.wait_for_new_server(since=mark)
    complete(window)
    selected.unlink()


def test_no_server_is_installed(window: Window, good: EditorServer) -> None:
    """The user chooses the server's file, and it runs."""
    mark = window.events.mark()
    window.set_settings({"midfill.server.path": None})
    window.events.wait("message", since=mark, key="missing")
    window.wait_for_status(ERROR)
    assert 1 == len(window.messages)
    window.shot("not-installed")
    window.press_button("not installed", "Choose path…")
    box = window.page.locator(".quick-input-widget input")
    # The dialog writes into its box itself, until it has listed the first folder.
    rows = ".quick-input-list .monaco-list-row"
    window.page.locator(rows).first.wait_for()
    expect(box).not_to_have_value("")
    box.fill(f"{good.program.parent}/")
    window.page.locator(f'{rows}[aria-label^="midfill"]').first.click()
    window.wait_until_ready(since=mark)
    # The user's setting has it now; the same in the workspace changes nothing.
    window.set_settings(settings(good))


def test_the_server_ends_as_it_starts(window: Window, servers: Servers) -> None:
    """The message says with which words, and the log is one button away."""
    server = servers.make("crash")
    mark = window.events.mark()
    window.set_settings(settings(server))
    window.events.wait("message", since=mark, key="start")
    window.wait_for_status(ERROR)
    assert 1 == len(window.messages)
    assert "exit status 3" in window.messages[0]
    window.shot("crash")
    window.press_button("exit status 3", "Show log")
    panel = window.page.locator(".part.panel .output-view, .part.panel")
    expect(panel.first).to_be_visible()
    window.shot("log")
    window.press("Control+j")


def test_a_server_that_writes_garbage(silent: Window, servers: Servers) -> None:
    """A message comes after some seconds, and the button leads to the setting."""
    silent.page.bring_to_front()
    silent.events.wait("message", key="start", timeout_s=60)
    silent.message(GARBAGE).first.wait_for()
    assert 1 == len(silent.messages)
    silent.shot("garbage")
    silent.press_button(GARBAGE, "Open settings")
    silent.page.locator(".settings-editor .setting-item").first.wait_for()
    silent.press("Escape")
    mark = silent.events.mark()
    # The next one is waited for while the other tests run.
    silent.set_settings(settings(servers.make("hang")))
    silent.events.wait("server.start", since=mark)


def test_the_server_is_of_another_version(window: Window, servers: Servers) -> None:
    """It is reported, and completes all the same."""
    server = servers.make("other-version")
    mark = window.events.mark()
    window.set_settings(settings(server))
    window.events.wait("message", since=mark, key="version")
    window.wait_until_ready(since=mark)
    assert 1 == len(window.messages)
    assert "99.0.0" in window.messages[0]
    window.shot("other-version")
    window.press_button("99.0.0", "Open settings")
    window.page.locator(".settings-editor .setting-item").first.wait_for()
    window.press("Escape")
    complete(window)


def test_the_model_is_missing(window: Window, tmp_path: Path) -> None:
    """The message names it and says what to do."""
    mark = window.events.mark()
    window.set_settings({"midfill.model.path": str(tmp_path / "nowhere")})
    window.events.wait("status", since=mark, kind="error")
    window.wait_for_status(ERROR)
    window.message("nowhere").first.wait_for()
    window.shot("model-missing")
    assert 1 == len(window.messages)


def test_settings_of_the_wrong_type(window: Window) -> None:
    """Those that fit are used, and the button leads to the one that does not."""
    mark = window.events.mark()
    window.set_settings(
        {"midfill.completion.maxLineTokens": "many", "midfill.languages": [1]}
    )
    window.events.wait("message", since=mark, key="settings")
    window.message("maxLineTokens").first.wait_for()
    assert 1 == len(window.messages)
    window.shot("wrong-settings")
    window.press_button("maxLineTokens", "Open settings")
    window.page.locator(".settings-editor .setting-item").first.wait_for()
    window.press("Escape")
    complete(window)
    window.set_settings(
        {"midfill.completion.maxLineTokens": None, "midfill.languages": None}
    )


def test_typing_takes_a_request_back(window: Window, servers: Servers) -> None:
    """The server ends it before its answer is complete."""
    server = servers.make(SCRIPTED_TOKEN_DELAY_MS="500")
    mark = window.events.mark()
    window.set_settings(settings(server))
    window.wait_for_new_server(since=mark)
    new_line(window)
    window.type("x =")
    before = window.events.mark()
    window.type(" ")
    request = window.events.wait("request", since=before)
    window.type("(")
    window.events.wait("reply", since=before, id=request["id"], cancelled=True)
    window.wait_for_ghost(ANSWER)
    asked = window.events.all("request", since=mark)
    assert len(server.events("completion.done")) < len(asked)


def test_the_engine_dies(window: Window, servers: Servers) -> None:
    """It is reported once, starts again by itself, and again by the button."""
    server = servers.make(SCRIPTED_DIE_AFTER_REQUESTS="1")
    mark = window.events.mark()
    # One request alone: what is read ahead, or superseded, might be the one that kills.
    window.set_settings({**settings(server), "midfill.completion.prewarm": False})
    window.wait_for_new_server(since=mark)
    before = window.events.mark()
    window.focus()
    window.press("Escape", "Control+Alt+i")
    toast = window.message("engine").first
    toast.wait_for()
    window.shot("engine-died")
    assert 1 == len(window.messages)
    window.press_button("engine", "Restart")
    window.wait_until_ready(since=before)
    assert 1 == len(server.pids)


def test_a_server_that_does_not_answer(window: Window, good: EditorServer) -> None:
    """It is reported after a while, and a restart ends it whatever it does."""
    mark = window.events.mark()
    window.set_settings({"midfill.completion.deadlineMs": 1})
    window.events.wait("settings", since=mark)
    stopped = good.pids[-1]
    good.kill(signal.SIGSTOP)
    new_line(window)
    window.type("x = ")
    window.events.wait("message", since=mark, key="hangs", timeout_s=60)
    window.wait_for_status(ERROR)
    assert 1 == len(window.messages)
    window.shot("hangs")
    window.press_button("stopped answering", "Restart")
    window.events.wait("server.stopped", since=mark, polite=False)
    window.wait_until_ready(since=mark)
    assert not Path(f"/proc/{stopped}").exists()
    window.set_settings({"midfill.completion.deadlineMs": None})


def test_a_server_that_never_answers(silent: Window, good: EditorServer) -> None:
    """After half a minute there is a message, and two windows have a server each."""
    silent.page.bring_to_front()
    text = f"Midfill's server {NO_ANSWER}."
    silent.events.wait("message", text=text, timeout_s=60)
    silent.message(NO_ANSWER).first.wait_for()
    assert 1 == len(silent.messages)
    silent.shot("hang")
    silent.set_settings(settings(good))
    mark = silent.events.mark()
    silent.press_button(NO_ANSWER, "Restart")
    silent.wait_until_ready(since=mark)
    complete(silent)
    assert 2 <= len(good.running)
