"""What a user of VS Code sees and does, in the order in which it happens."""

from collections.abc import Generator

import pytest
from editor_server import EditorServer, wait_for, write_server
from vscode.scenario_files import FILES, FIRST, HEAD, LATER, SECOND, THIRD, save
from vscode.window import Window
from vscode.windows import Windows

pytestmark = pytest.mark.editor


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[EditorServer]:
    """A server whose engine answers with a block, or with the first line of it."""
    script = {
        "SCRIPTED_TEXT": f"{FIRST}\n{LATER}\n",
        "SCRIPTED_CANDIDATES": f"{SECOND}\x1e{THIRD}",
    }
    made = write_server(tmp_path_factory.mktemp("server"), script)
    yield made
    made.end()


@pytest.fixture(scope="module")
def window(windows: Windows, server: EditorServer) -> Window:
    """A window whose engine is scripted and has been loaded."""
    settings = {"midfill.server.path": str(server.program)}
    window = windows.open(settings, FILES, file="accept.py")
    window.wait_until_ready()
    return window


def test_tab_accepts_and_one_undo_takes_it_back(
    window: Window, server: EditorServer
) -> None:
    """Ghost text becomes text, the server is notified, and undo is one step."""
    window.open("accept.py")
    window.type("    x = ")
    window.wait_for_ghost(FIRST)
    window.shot("ghost")
    window.press("Tab")
    window.wait_for_lines(HEAD.rstrip(), f"    x = {FIRST}")
    wait_for(lambda: server.events("completion.accepted"), what="the acceptance")
    window.press("Control+z")
    window.wait_for_lines(HEAD.rstrip(), "    x = ")


def test_word_by_word(window: Window) -> None:
    """Each key takes one word, and the rest stays ghost text."""
    window.open("word.py")
    window.type("    x = ")
    window.wait_for_ghost(FIRST)
    rest = FIRST
    while rest:
        window.press("Control+ArrowRight")
        window.page.wait_for_function("(was) => midfillDom.ghost() !== was", arg=rest)
        rest = window.ghost
        taken = FIRST[: len(FIRST) - len(rest)]
        window.wait_for_lines(HEAD.rstrip(), f"    x = {taken}")
        if taken.strip() == "result":
            window.shot("word")
    assert [HEAD.rstrip(), f"    x = {FIRST}"] == window.lines


def test_line_by_line(window: Window) -> None:
    """A block is offered for an empty body, and a key takes its first line."""
    window.open("line.py")
    window.type(HEAD)
    window.wait_for_ghost(f"{FIRST}\n{LATER}")
    window.shot("block")
    window.press("Control+Alt+l")
    done = [HEAD.rstrip(), f"    {FIRST}"]
    window.wait_for_lines(*done, "")
    later = LATER.split("\n")
    for number, line in enumerate(later, 1):
        window.wait_for_ghost("\n".join(later[number - 1 :]))
        window.press("Control+Alt+l")
        done.append(line)
        window.wait_for_lines(*done, *([""] if number < len(later) else []))


def test_typing_through_and_away(window: Window) -> None:
    """Typing the ghost text keeps its rest; typing something else drops it."""
    window.open("through.py")
    window.type("    x = ")
    window.wait_for_ghost(FIRST)
    for typed, rest in (("r", "esult = 0"), ("e", "sult = 0"), ("s", "ult = 0")):
        window.type(typed)
        window.wait_for_ghost(rest)
    window.press("Tab")
    window.wait_for_lines(HEAD.rstrip(), f"    x = {FIRST}")
    window.press("Enter")
    window.type("y = ")
    window.wait_for_ghost(FIRST)
    window.type("re(")
    window.page.wait_for_function("!'sult = 0'.endsWith(midfillDom.ghost() || '-')")
    window.wait_for_lines(HEAD.rstrip(), f"    x = {FIRST}", "    y = re()")


def test_asking_by_hand_offers_several(window: Window) -> None:
    """The keys of VS Code go through the candidates, and around."""
    window.open("candidates.py")
    window.type("    x = ")
    window.wait_for_ghost(FIRST)
    window.press("Escape")
    window.wait_for_no_ghost()
    mark = window.events.mark()
    window.press("Control+Alt+i")
    window.wait_for_ghost(FIRST)
    request = window.events.wait("request", since=mark, automatic=False)
    window.events.wait("reply", since=mark, id=request["id"], items=3)
    for candidate in (SECOND, THIRD, FIRST, SECOND):
        window.press("Alt+]")
        window.wait_for_ghost(candidate)
    window.shot("candidates")
    window.press("Alt+[")
    window.wait_for_ghost(FIRST)
    window.press("Alt+]", "Tab")
    window.wait_for_lines(HEAD.rstrip(), f"    x = {SECOND}")


def test_tab_indents_where_nothing_is_shown(window: Window) -> None:
    """The key is Midfill's only while there is ghost text."""
    window.open("tab.py")
    window.type("    x = ")
    window.wait_for_ghost(FIRST)
    window.press("Escape")
    window.wait_for_no_ghost()
    window.press("Tab")
    window.wait_for_lines(HEAD.rstrip(), "    x =     ")


@pytest.mark.parametrize(
    "title",
    [
        "Midfill: Toggle Completions for This Language",
        "Midfill: Toggle Completions for This File",
        "Midfill: Toggle Completions",
    ],
)
def test_toggles(window: Window, title: str) -> None:
    """Switched off, nothing is asked; switched on again, it is."""
    window.open("switch.py")
    before = window.events.mark()
    window.command(title)
    # Only from here on: a key of the test before may have been asked for late.
    mark = window.events.wait_until_after("status", since=before, kind="off")
    window.wait_for_status(r"^\$\(circle-slash\) Midfill$")
    window.focus()
    window.type("\n    x = 1 + ")
    window.shot(title.lower().replace("midfill: ", "").replace(" ", "-"))
    if title.endswith("Language"):
        window.open("switch.js")
        window.type("x = ")
        window.wait_for_ghost(FIRST)
        window.press("Escape")
        window.open("switch.py")
        window.wait_for_status(r"^\$\(circle-slash\) Midfill$")
    window.command(title)
    window.wait_for_status(r"^\$\(sparkle\) Midfill$")
    again = window.events.mark()
    window.focus()
    window.type("2 + ")
    window.wait_for_ghost(FIRST)
    first = window.events.wait("request", since=again, language="python")
    asked = window.events.all("request", since=mark, language="python")
    assert asked[0] == first


def test_snooze(window: Window) -> None:
    """Snoozed, nothing comes by itself, and a request by hand is answered."""
    window.open("snooze.py")
    before = window.events.mark()
    window.command("Midfill: Snooze Completions…")
    window.shot("snooze-choices")
    window.choose("5 minutes")
    mark = window.events.wait_until_after("status", since=before, kind="off")
    window.wait_for_status(r"^\$\(circle-slash\) Midfill$")
    window.focus()
    window.type("    x = ")
    window.press("Control+Alt+i")
    window.wait_for_ghost(FIRST)
    assert () == window.events.all("request", since=mark, automatic=True)
    window.press("Escape")
    window.command("Midfill: End Snooze")
    window.wait_for_status(r"^\$\(sparkle\) Midfill$")
    window.focus()
    window.type("1 + ")
    window.wait_for_ghost(FIRST)


def test_menu(window: Window) -> None:
    """A click on the status item offers what can be done."""
    window.page.locator('.statusbar-item[id$="midfill.status"]').click()
    row = window.page.locator(".quick-input-list .monaco-list-row")
    row.first.wait_for()
    reported = " ".join(row.all_text_contents())
    for entry in ("Snooze", "Restart", "Choose model", "Show log", "Run doctor"):
        assert entry in reported
    window.shot("menu")
    window.press("Escape")


def test_trace(window: Window) -> None:
    """The last completion is shown: what was asked, read and written."""
    window.open("trace.py")
    window.type("    x = ")
    window.wait_for_ghost(FIRST)
    window.press("Escape")
    window.command("Midfill: Show Trace of the Last Completion")
    window.events.wait("trace.shown", outcome="shown")
    window.page.locator(".tab.active", has_text="Trace of the last").wait_for()
    shown = "\n".join(window.lines)
    assert FIRST in shown
    # A long path is wrapped.
    assert "trace.py, line 2" in shown.replace("\n", "")
    window.shot("trace")


def test_settings_page(window: Window) -> None:
    """Every setting has its place and a description."""
    window.command("Midfill: Open Settings")
    window.page.locator(".settings-editor .setting-item").first.wait_for()
    found = window.page.locator(".settings-editor .settings-count-widget")
    found.wait_for()
    titles = " ".join(window.page.locator(".setting-item-label").all_text_contents())
    assert "Enable" in titles
    window.shot("settings")
    window.press("Escape")
    window.page.locator(".settings-editor").wait_for(state="detached")


def test_walkthrough(window: Window) -> None:
    """The walkthrough leads through set-up and first completion."""
    window.command("Midfill: Open Walkthrough")
    window.page.locator(".gettingStartedContainer .step-title").first.wait_for()
    window.shot("walkthrough")


def test_line_ends_of_windows(window: Window) -> None:
    """A file with CRLF has nothing else after a block was accepted."""
    window.open("crlf.py")
    window.type(HEAD)
    window.wait_for_ghost(f"{FIRST}\n{LATER}")
    window.press("Tab")
    window.wait_for_lines(f"    {FIRST}", *LATER.split("\n"))
    path = save(window, "crlf.py")
    text = f"a = 1\n{HEAD}    {FIRST}\n{LATER}"
    assert text.replace("\n", "\r\n").encode() == path.read_bytes()


def test_emoji_before_the_cursor(window: Window) -> None:
    """Columns are right behind characters of several code units."""
    window.open("emoji.py")
    window.type('a = "🚄👩‍🔬" + ')
    window.wait_for_ghost(FIRST)
    window.shot("emoji")
    window.press("Tab")
    window.wait_for_no_ghost()
    path = save(window, "emoji.py")
    assert f'train = "🚄👩‍🔬"\na = "🚄👩‍🔬" + {FIRST}' == path.read_text()


def test_a_file_of_5_mb(window: Window) -> None:
    """It is completed like any other."""
    window.open("large.py")
    window.type("x = ")
    window.wait_for_ghost(FIRST)
    window.press("Tab")
    window.wait_for_lines(f"x = {FIRST}")


def test_loading_then_ready_and_asked_again(window: Window) -> None:
    """The status item counts; what was asked too early is shown without another key."""
    mark = window.events.mark()
    window.set_settings({"midfill.scripted.startDelayMs": 3000})
    window.events.wait("status", since=mark, kind="loading")
    window.open("loading.py")
    window.wait_for_status(r"^\$\(loading\) Midfill \d+%$")
    window.type("    x = ")
    assert "" == window.ghost
    window.shot("loading")
    window.wait_until_ready(since=mark)
    window.wait_for_status(r"^\$\(sparkle\) Midfill$")
    window.events.wait("ask_again")
    window.wait_for_ghost(FIRST)
    window.shot("asked-again")
