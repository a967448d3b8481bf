"""One window of VS Code in a browser, used as a person does: by keys and by sight."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from vscode.code_server import CodeServer
from vscode.followed_log import Event, EventLog

__all__ = ["Window"]

DOM = Path(__file__).with_name("dom.js").read_text(encoding="utf-8")
TIMEOUT_MS = 60_000
EDITOR = ".editor-group-container.active .editor-instance .view-lines"


class Window:
    """A window: its page, its workspace and the events of its extension."""

    def __init__(
        self, browser: BrowserContext, server: CodeServer, workspace: Path, shots: Path
    ) -> None:
        """Make a window that shows nothing yet.

        Args:
            browser: Where the page is opened.
            server: What serves it.
            workspace: The folder that it shows.
            shots: The folder of its screenshots.
        """
        self.server = server
        self.workspace = workspace
        self.events = EventLog(server.events)
        self.page: Page = browser.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.add_init_script(DOM)
        self._shots = shots

    def show(self, file: str | None = None) -> None:
        """Load the window, with a file of the workspace."""
        since = self.events.mark()
        path = None if file is None else self.workspace / file
        self.page.goto(self.server.address(self.workspace, path), timeout=60_000)
        self.attach(since)
        if file is not None:
            self.page.locator(EDITOR).first.wait_for()

    def attach(self, since: int) -> None:
        """Take the extension host that starts now for this window's own."""
        started = EventLog(self.server.events).wait(
            "activated", since=since, timeout_s=60
        )
        pid = started["pid"]
        assert isinstance(pid, int)
        self.events.pid = pid

    def wait_until_ready(self, *, since: int = 0, timeout_s: float = 60) -> Event:
        """Wait until the status item says that completions can come."""
        return self.events.wait(
            "status", since=since, kind="ready", timeout_s=timeout_s
        )

    def wait_for_new_server(self, *, since: int) -> None:
        """Wait until another server was started and completions can come."""
        started = self.events.wait_until_after("server.start", since=since)
        self.wait_until_ready(since=started)

    def set_settings(self, settings: Mapping[str, object]) -> bool:
        """Write some settings of the workspace, beside those that are there.

        Args:
            settings: By their names; None takes one out.

        Returns:
            Whether anything has changed.
        """
        path = self.workspace / ".vscode" / "settings.json"
        before = json.loads(path.read_text())
        merged = {**before, **settings}
        kept = {name: value for name, value in merged.items() if value is not None}
        path.write_text(json.dumps(kept, indent=1))
        return bool(kept != before)

    def open(self, name: str) -> None:
        """Open a file of the workspace as a person does, by its name."""
        self.page.keyboard.press("Control+p")
        box = self.page.locator(".quick-input-widget input")
        box.fill(name)
        row = f'.quick-input-list .monaco-list-row[aria-label^="{name}"]'
        self.page.locator(row).first.click()
        tab = self.page.locator(".tab.active", has_text=name)
        expect(tab).to_be_visible()
        expect(self.page.locator(".quick-input-widget")).to_be_hidden()
        self.focus()

    def focus(self) -> None:
        """Put the keyboard's focus into the editor, the cursor at the end."""
        self.page.locator(EDITOR).first.click()
        self.page.keyboard.press("Control+End")

    def type(self, text: str, delay_ms: float = 30) -> None:
        """Type a text, key by key."""
        self.page.keyboard.type(text, delay=delay_ms)

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def command(self, title: str) -> None:
        """Run a command through the palette."""
        self.page.keyboard.press("F1")
        box = self.page.locator(".quick-input-widget input")
        box.fill(f">{title}")
        # Commands that were used lately stand first, whichever fits best.
        row = ".quick-input-list .monaco-list-row"
        exact, recent = (
            f'{row}[aria-label="{title}"]',
            f'{row}[aria-label^="{title}, "]',
        )
        self.page.locator(f"{exact}, {recent}").first.click()

    def choose(self, label: str) -> None:
        """Choose an entry of the list that is open."""
        row = self.page.locator(".quick-input-list .monaco-list-row", has_text=label)
        row.first.click()

    @property
    def ghost(self) -> str:
        """The ghost text on the screen."""
        return str(self.page.evaluate("midfillDom.ghost()"))

    @property
    def lines(self) -> list[str]:
        """The document's lines on the screen, without ghost text."""
        return [str(line) for line in self.page.evaluate("midfillDom.lines()")]

    @property
    def status(self) -> str:
        """The status item's icon and text."""
        return str(self.page.evaluate("midfillDom.status()"))

    def wait_for_ghost(self, text: str, timeout_ms: float = 60_000) -> None:
        """Wait until exactly this ghost text is drawn."""
        self._wait("ghost", text, timeout_ms)

    def wait_for_no_ghost(self) -> None:
        """Wait until no ghost text is drawn."""
        self._wait("ghost", "", 60_000)

    def wait_for_lines(self, *lines: str) -> None:
        """Wait until the document's last lines on the screen are these."""
        script = "(want) => midfillDom.endsWith(want)"
        try:
            self.page.wait_for_function(script, arg=list(lines), timeout=60_000)
        except PlaywrightTimeoutError:
            raise AssertionError(f"the lines are {self.lines}, not {lines}") from None

    def wait_for_status(self, pattern: str, timeout_ms: float = 60_000) -> None:
        """Wait until the status item's icon and text match."""
        script = "(want) => new RegExp(want).test(midfillDom.status())"
        try:
            self.page.wait_for_function(script, arg=pattern, timeout=timeout_ms)
        except PlaywrightTimeoutError:
            raise AssertionError(
                f"the status is {self.status}, not {pattern}"
            ) from None

    def message(self, text: str | re.Pattern[str]) -> Locator:
        """Return the message on the screen that holds a text."""
        return self.page.locator(".notification-toast", has_text=text)

    @property
    def messages(self) -> list[str]:
        """The messages on the screen."""
        return [str(each) for each in self.page.evaluate("midfillDom.messages()")]

    def press_button(self, text: str | re.Pattern[str], label: str) -> None:
        """Press a button of a message."""
        toast = self.message(text)
        toast.first.hover()
        toast.locator(".monaco-button", has_text=label).first.click()

    def shot(self, name: str) -> None:
        """Keep a picture of the window."""
        self._shots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._shots / f"{name}.png")

    def close(self) -> None:
        """Close the window, as a person does."""
        if not self.page.is_closed():
            self.page.close()

    def _wait(self, what: str, text: str, timeout_ms: float) -> None:
        script = f"(want) => midfillDom.{what}() === want"
        try:
            self.page.wait_for_function(script, arg=text, timeout=timeout_ms)
        except PlaywrightTimeoutError:
            now = self.page.evaluate(f"midfillDom.{what}()")
            raise AssertionError(f"the {what} is {now!r}, not {text!r}") from None
