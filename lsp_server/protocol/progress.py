"""Shows in the editor how the engine fares."""

import logging
from typing import TYPE_CHECKING, Protocol

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from lsp_server.values import EngineState

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["EditorProgress", "EngineReporter", "NoProgress", "ProgressBar"]

_log = logging.getLogger(__name__)

_TITLE = "Midfill"
_Step = (
    types.WorkDoneProgressBegin
    | types.WorkDoneProgressReport
    | types.WorkDoneProgressEnd
)


class ProgressBar(Protocol):
    """Shows that something takes its time."""

    def begin(self, message: str) -> None:
        """Show the bar."""
        ...

    def report(self, message: str) -> None:
        """Change what the bar says."""
        ...

    def end(self, message: str) -> None:
        """Take the bar away."""
        ...


class NoProgress:
    """The bar of an editor that has none."""

    def begin(self, message: str) -> None:
        """Show nothing."""

    def report(self, message: str) -> None:
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

    def begin(self, message: str) -> None:
        """Ask the editor for a bar, and show it as soon as the editor has one."""
        self._bars += 1
        self._bar = _Bar(self._server, f"midfill-engine-{self._bars}")
        self._bar.send(types.WorkDoneProgressBegin(title=_TITLE, message=message))

    def report(self, message: str) -> None:
        """Change what the bar says."""
        if self._bar is not None:
            self._bar.send(types.WorkDoneProgressReport(message=message))

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


class EngineReporter:
    """Tells the editor's user of the engine: a bar, the log, and rarely a message.

    A message pops up once for the first death and once for the end of all attempts;
    everything else is told in the bar and in the editor's log.

    Args:
        server: Whose editor is told.
        bar: Shown while the engine loads.
    """

    def __init__(self, server: LanguageServer, bar: ProgressBar) -> None:
        """Begin before the engine has said anything."""
        self._server = server
        self._bar = bar
        self._told: set[EngineState] = set()
        self.state = EngineState.CLOSED

    def engine_changed(self, state: EngineState, detail: str) -> None:
        """Hear of a change, and tell it."""
        before, self.state = self.state, state
        _log.debug("engine.heard", extra={"state": state.value, "detail": detail})
        if state in {EngineState.STARTING, EngineState.RESTARTING}:
            self._loading(before, detail)
        elif state is EngineState.READY:
            self._bar.end(detail or "ready")
            if EngineState.RESTARTING in self._told:
                self._note(types.MessageType.Info, "The completion engine is back")
        elif state is EngineState.FAILED:
            self._pop_up(f"Midfill offers no completions: {detail}")
            self._bar.end("failed")
        else:
            self._bar.end("closed")

    def _loading(self, before: EngineState, detail: str) -> None:
        """Show that the engine loads, and why."""
        if self.state is EngineState.RESTARTING and before is not self.state:
            self._pop_up(f"Midfill's engine stopped and is being restarted: {detail}")
        if before in {EngineState.STARTING, EngineState.RESTARTING}:
            self._bar.report(detail)
        else:
            self._bar.begin(detail or "loading the model")

    def _pop_up(self, text: str) -> None:
        """Show a message the first time, and log it when it happens again."""
        if self.state in self._told:
            self._note(types.MessageType.Warning, text)
            return
        self._told.add(self.state)
        failed = self.state is EngineState.FAILED
        kind = types.MessageType.Error if failed else types.MessageType.Warning
        self._server.window_show_message(
            types.ShowMessageParams(type=kind, message=text)
        )

    def _note(self, kind: types.MessageType, text: str) -> None:
        """Write into the editor's log."""
        self._server.window_log_message(types.LogMessageParams(type=kind, message=text))
