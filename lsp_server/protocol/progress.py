"""Shows in the editor that something takes its time, and how far it has got."""

from typing import TYPE_CHECKING, Protocol

from lsprotocol import types
from pygls.lsp.server import LanguageServer

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["EditorProgress", "NoProgress", "ProgressBar"]

_TITLE = "Midfill"
_Step = (
    types.WorkDoneProgressBegin
    | types.WorkDoneProgressReport
    | types.WorkDoneProgressEnd
)


class ProgressBar(Protocol):
    """Shows that something takes its time."""

    def begin(self, message: str, percent: int | None) -> None:
        """Show the bar."""
        ...

    def report(self, message: str, percent: int | None) -> None:
        """Change what the bar says, and how much is done, in percent."""
        ...

    def end(self, message: str) -> None:
        """Take the bar away."""
        ...


class NoProgress:
    """The bar of an editor that has none."""

    def begin(self, message: str, percent: int | None) -> None:
        """Show nothing."""

    def report(self, message: str, percent: int | None) -> None:
        """Show nothing."""

    def end(self, message: str) -> None:
        """Show nothing."""


class EditorProgress:
    """A bar in the editor; each ``begin`` opens a new one.

    Source: Language Server Protocol 3.18, "Server Initiated Progress".
    """

    def __init__(self, server: LanguageServer) -> None:
        """Begin without a bar."""
        self._server = server
        self._bars = 0
        self._bar: _Bar | None = None
        self._reported: types.WorkDoneProgressReport | None = None

    def begin(self, message: str, percent: int | None) -> None:
        """Ask the editor for a bar, and show it as soon as the editor has one."""
        self._bars += 1
        self._bar = _Bar(self._server, f"midfill-engine-{self._bars}")
        self._bar.send(
            types.WorkDoneProgressBegin(
                title=_TITLE, message=message, percentage=percent
            )
        )

    def report(self, message: str, percent: int | None) -> None:
        """Change what the bar says."""
        step = types.WorkDoneProgressReport(message=message, percentage=percent)
        if self._bar is not None and step != self._reported:
            self._reported = step
            self._bar.send(step)

    def end(self, message: str) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.send(types.WorkDoneProgressEnd(message=message))
            self._bar = None


class _Bar:
    """One token: steps wait until the editor has agreed to it."""

    def __init__(self, server: LanguageServer, token: str) -> None:
        """Ask the editor to make the token."""
        self._server = server
        self._token = token
        self._waiting: list[_Step] | None = []
        self._refused = False
        asked = server.protocol.send_request(
            types.WINDOW_WORK_DONE_PROGRESS_CREATE,
            types.WorkDoneProgressCreateParams(token=token),
        )
        asked.add_done_callback(self._answered)

    def send(self, step: _Step) -> None:
        """Show a step now, or as soon as the editor has answered."""
        if self._waiting is not None:
            self._waiting.append(step)
        elif not self._refused:
            self._server.protocol.notify(
                types.PROGRESS, types.ProgressParams(token=self._token, value=step)
            )

    def _answered(self, asked: "Future[object]") -> None:
        """Show what waited, unless the editor refused."""
        waiting, self._waiting = self._waiting or [], None
        self._refused = asked.cancelled() or asked.exception() is not None
        for step in waiting:
            self.send(step)
