"""A real Neovim that a test types into, and the events that its plugin announces.

Nothing here polls: the plugin announces each step as a ``User Midfill…`` autocommand,
which Neovim sends on as an RPC notification, and a wait ends with the notification or
with Neovim's own timer.
"""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pynvim
from neovim_ghost import FIND_GHOSTS, Ghost
from neovim_home import environment as neovim_environment

__all__ = [
    "CANDIDATES",
    "KEYS",
    "LINE",
    "PLUGIN",
    "TEXT",
    "Event",
    "Neovim",
]

PLUGIN = Path(__file__).parents[2] / "editors" / "neovim"
WITHIN_MS = 60_000

Json = object

TEXT = "item + total\n    return item\n"
CANDIDATES = ("item - total\n", "item * total\n")
LINE = "item + total"
KEYS = {
    "accept": "<Tab>",
    "accept_word": "<C-l>",
    "accept_line": "<C-j>",
    "next": "<M-]>",
    "previous": "<M-[>",
    "dismiss": "<C-]>",
    "trigger": "<M-t>",
}
"""The keys that tests map."""

_RELAY = """
local channel = ...
vim.notify = function(message)
  vim.rpcnotify(channel, "midfill", "Notice", { text = message })
end
vim.api.nvim_create_autocmd("User", {
  pattern = "Midfill*",
  callback = function(event)
    local data = vim.deepcopy(event.data or {})
    data = next(data) == nil and vim.empty_dict() or data
    vim.rpcnotify(channel, "midfill", event.match:sub(8), data)
  end,
})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that the plugin announced, or a message that it showed.

    Attributes:
        name: ``Shown``, ``Moved``, ``Cleared``, ``Asked``, ``Notice`` and so on.
        data: What it tells of it.
    """

    name: str
    data: Mapping[str, Json]


class Neovim:
    """One Neovim with the plugin on its path, and no configuration.

    Args:
        program: The editor.
        environment: All of its environment.
        arguments: Further arguments, such as files.
        size: Columns and rows of its screen.
        on_redraw: Is given each ``redraw`` notification.
    """

    def __init__(
        self,
        program: Path,
        environment: Mapping[str, str],
        arguments: Sequence[str] = (),
        *,
        size: tuple[int, int] = (80, 20),
        on_redraw: Callable[[Json], None] = lambda _: None,
    ) -> None:
        clean = ["-u", "NONE", "-i", "NONE", "-n", "--cmd", "set shortmess+=I"]
        # pynvim has no argument for it: the child gets this process's environment.
        with neovim_environment(environment):
            self._nvim = pynvim.attach(
                "child", argv=[str(program), "--embed", *clean, *arguments]
            )
        self._on_redraw = on_redraw
        self._nvim.ui_attach(*size, rgb=True, ext_linegrid=True)
        self._seen: deque[Event] = deque()
        self._waits = itertools.count(1)
        self.command(f"set runtimepath^={PLUGIN}")
        self.command("runtime plugin/midfill.lua")
        self.command("filetype on")
        self.lua(_RELAY, self._nvim.channel_id)
        self.pid = int(str(self.lua("return vim.fn.getpid()")))

    @property
    def channel(self) -> int:
        """The RPC channel on which events come."""
        return int(self._nvim.channel_id)

    def command(self, line: str) -> None:
        """Run an Ex command."""
        self._nvim.command(line)

    def lua(self, code: str, *arguments: Json) -> Json:
        """Run Lua and return what it returns."""
        result: Json = self._nvim.exec_lua(code, *arguments)
        return result

    def setup(self, **settings: Json) -> None:
        """Call the plugin's ``setup``."""
        self.lua("require('midfill').setup(...)", settings)

    def call(self, name: str, *arguments: Json) -> Json:
        """Call one of the plugin's public functions."""
        return self.lua(f"return require('midfill').{name}(...)", *arguments)

    def edit(self, path: Path, text: str = "") -> None:
        """Write a file and edit it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        self.command(f"edit! {path}")

    def type(self, keys: str) -> None:
        """Type keys, all at once, and return without waiting for what they do."""
        self._nvim.input(keys)

    def type_out(self, keys: str) -> None:
        """Type keys, and return when they have done what they do."""
        token = next(self._waits)
        self.lua(
            "_G.typed = function(channel, token)"
            " vim.rpcnotify(channel, 'midfill', 'Typed', { token = token }) end"
        )
        self.type(f"{keys}<Cmd>lua typed({self._nvim.channel_id}, {token})<CR>")
        self.wait("Typed", token=token)

    def pause(self, length_ms: int) -> None:
        """Look at the screen for a while, as a person does; for recordings alone."""
        token = next(self._waits)
        self.lua(
            "local channel, token, ms = ...; vim.defer_fn(function()"
            " vim.rpcnotify(channel, 'midfill', 'Pause', { token = token })"
            " end, ms)",
            self._nvim.channel_id,
            token,
            length_ms,
        )
        self.wait("Pause", token=token)

    def wait(self, name: str, within_ms: int = WITHIN_MS, **data: Json) -> Event:
        """Return the next event of a name whose data hold what is given.

        Events before it are forgotten.
        """
        return self.collect(name, within_ms, **data)[-1]

    def collect(
        self, name: str, within_ms: int = WITHIN_MS, **data: Json
    ) -> list[Event]:
        """Return all events up to the next one of a name."""
        token = next(self._waits)
        self.lua(
            "local channel, token, ms = ...; vim.defer_fn(function()"
            " vim.rpcnotify(channel, 'midfill', 'TimeOut', { token = token })"
            " end, ms)",
            self._nvim.channel_id,
            token,
            within_ms,
        )
        seen: list[Event] = []
        while True:
            event = self._next()
            if event.name == "TimeOut":
                assert event.data["token"] != token, (
                    f"no {name} {data or ''} within {within_ms} ms, but {seen}"
                )
                continue
            seen.append(event)
            if event.name == name and data.items() <= event.data.items():
                return seen

    def events_so_far(self) -> list[Event]:
        """Return the events that have come and that nobody waited for."""
        token = next(self._waits)
        self.lua(
            "local channel, token = ..."
            " vim.rpcnotify(channel, 'midfill', 'Mark', { token = token })",
            self._nvim.channel_id,
            token,
        )
        return self.collect("Mark", token=token)[:-1]

    def _next(self) -> Event:
        if self._seen:
            return self._seen.popleft()
        while True:
            _, method, arguments = self._nvim.next_message()
            if method == "midfill":
                name, data = arguments
                return Event(name=name, data=data)
            if method == "redraw":
                self._on_redraw(arguments)

    @property
    def lines(self) -> list[str]:
        """The current buffer's lines."""
        return list(self._nvim.current.buffer[:])

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's row from 1, and its byte column."""
        row, column = self._nvim.current.window.cursor
        return row, column

    @property
    def ghosts(self) -> list[Ghost]:
        """All ghost text that is drawn in the current buffer."""
        found: Json = self.lua(FIND_GHOSTS)
        assert isinstance(found, list)
        return [Ghost(row=row, column=column, text=text) for row, column, text in found]

    @property
    def ghost(self) -> str:
        """The text of the only ghost; empty if there is none."""
        ghosts = self.ghosts
        assert len(ghosts) <= 1, ghosts
        return ghosts[0].text if ghosts else ""

    @property
    def notices(self) -> list[str]:
        """The messages among the events that nobody waited for."""
        return [
            str(event.data["text"])
            for event in self.events_so_far()
            if event.name == "Notice"
        ]

    def quit(self) -> None:
        """Quit, and return when the process has ended."""
        process = psutil.Process(self.pid)
        with contextlib.suppress(OSError, EOFError):
            self._nvim.command("qall!")
        with contextlib.suppress(psutil.NoSuchProcess):
            process.wait(timeout=120)

    def end(self) -> None:
        """End Neovim however it is."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            process.kill()
            process.wait(timeout=10)
        # Else pynvim closes its loop before that has closed the pipes. When it sees
        # the end it stops the loop.
        for _ in range(5):
            with contextlib.suppress(RuntimeError):
                self._nvim.loop.run_until_complete(asyncio.sleep(0))
        with contextlib.suppress(OSError, EOFError):
            self._nvim.close()
