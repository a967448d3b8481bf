"""Shows the state of the engine in the editor: progress bars and messages."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import MidfillError
from lsp_server.outcomes import OverloadStep
from lsp_server.protocol.status import Status

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = [
    "ACTION_METHOD",
    "EditorProgress",
    "EngineReporter",
    "NoProgress",
    "ProgressBar",
    "failure_news",
]

_log = logging.getLogger(__name__)


_TITLE = "Midfill"
_Step = (
    types.WorkDoneProgressBegin
    | types.WorkDoneProgressReport
    | types.WorkDoneProgressEnd
)


class ProgressBar(Protocol):
    """A progress bar in the editor."""

    def begin(self, message: str, percent: int | None) -> None:
        """Show the bar."""
        ...

    def report(self, message: str, percent: int | None) -> None:
        """Change the bar's message and how much is done, in percent."""
        ...

    def end(self, message: str) -> None:
        """Remove the bar."""
        ...


class NoProgress:
    """The bar of an editor that has none."""

    def begin(self, message: str, percent: int | None) -> None:
        """Do nothing."""

    def report(self, message: str, percent: int | None) -> None:
        """Do nothing."""

    def end(self, message: str) -> None:
        """Do nothing."""


class EditorProgress:
    """A bar in the editor; each ``begin`` opens a new one.

    Source: Language Server Protocol 3.18, "Server Initiated Progress".
    """

    def __init__(self, server: LanguageServer) -> None:
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
        """Change the bar's message and percentage."""
        step = types.WorkDoneProgressReport(message=message, percentage=percent)
        if self._bar is not None and step != self._reported:
            self._reported = step
            self._bar.send(step)

    def end(self, message: str) -> None:
        """Remove the bar."""
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


#: Asks the editor to do what only it can do. For clients that asked for it.
ACTION_METHOD = "midfill/action"

_RESTART = "Restart"
_CLIENT_ACTIONS = {"Show log": "showLog", "Run doctor": "runDoctor"}


class EngineReporter:
    """Shows the engine's changes of state in the editor.

    The user gets a message when the engine dies for the first time and each time that
    it is given up. All else goes to the bar, the status and the editor's log.

    Args:
        server: Sends the messages.
        bar: Shown while the engine loads.
        status: Follows the engine's state.
        restart: Starts the engine again, because the user wants it.
        client_acts: Whether the editor shows the log and runs the doctor if asked.
    """

    def __init__(
        self,
        server: LanguageServer,
        bar: ProgressBar,
        status: Status,
        *,
        restart: Callable[[], None],
        client_acts: bool,
    ) -> None:
        self._server = server
        self._bar = bar
        self._status = status
        self._restart = restart
        self._client_acts = client_acts
        self._death_shown = False
        self._restart_wanted = False
        self._shown = EngineState.CLOSED

    def engine_changed(self, news: EngineNews) -> None:
        """Show a change of the engine's state."""
        before, self._shown = self._shown, news.state
        self._status.engine_changed(news)
        if news.state in {EngineState.STARTING, EngineState.RESTARTING}:
            self._loading(before, news)
            return
        if news.state is EngineState.READY:
            self._bar.end("ready")
            if news.restarts:
                self._note(types.MessageType.Info, "Midfill's engine is back.")
        elif news.state is EngineState.FAILED:
            self._bar.end("failed")
            self._ask(types.MessageType.Error, failure_text(news))
        else:
            self._bar.end("closed")
        self._restart_wanted = False

    def overload_changed(self, step: OverloadStep) -> None:
        """Show whether the server has more to do than it can."""
        self._status.overload_changed(step)

    def _loading(self, before: EngineState, news: EngineNews) -> None:
        """Show the progress of a start, and why the engine had to be started again."""
        died = news.state is EngineState.RESTARTING and news.percent is None
        if died and before is EngineState.READY and not self._restart_wanted:
            self._show_death(death_text(news))
        elif died:
            self._note(types.MessageType.Warning, death_text(news))
        # A bar that begins without a percentage need not show any later on.
        percent = 0 if died else news.percent
        if before in {EngineState.STARTING, EngineState.RESTARTING}:
            self._bar.report(news.what, percent)
        else:
            self._bar.begin(news.what, percent)

    def _show_death(self, text: str) -> None:
        """Show a death in a message the first time, and log a later one."""
        if self._death_shown:
            self._note(types.MessageType.Warning, text)
            return
        self._death_shown = True
        self._ask(types.MessageType.Warning, text)

    def _ask(self, kind: types.MessageType, text: str) -> None:
        """Show a message with buttons."""
        titles = [_RESTART, *(_CLIENT_ACTIONS if self._client_acts else ())]
        asked = self._server.protocol.send_request(
            types.WINDOW_SHOW_MESSAGE_REQUEST,
            types.ShowMessageRequestParams(
                type=kind,
                message=text,
                actions=[types.MessageActionItem(title=title) for title in titles],
            ),
        )
        asked.add_done_callback(lambda done: self._answered(done, kind, text))

    def _answered(
        self, asked: "Future[object]", kind: types.MessageType, text: str
    ) -> None:
        """Do what the user chose; an editor without buttons gets the bare message."""
        if asked.cancelled() or asked.exception() is not None:
            self._server.window_show_message(
                types.ShowMessageParams(type=kind, message=text)
            )
            return
        title = getattr(asked.result(), "title", None)
        if title == _RESTART:
            self._restart_wanted = True
            self._restart()
        elif self._client_acts and title in _CLIENT_ACTIONS:
            action = _CLIENT_ACTIONS[title]
            self._server.protocol.notify(ACTION_METHOD, {"action": action})

    def _note(self, kind: types.MessageType, text: str) -> None:
        """Write into the editor's log."""
        self._server.window_log_message(types.LogMessageParams(type=kind, message=text))


def death_text(news: EngineNews) -> str:
    """Return the message for an engine that died."""
    return f"Midfill's engine stopped: {news.what}. It is being started again."


def failure_text(news: EngineNews) -> str:
    """Return the message for an engine that was given up, with what to do."""
    text = f"Midfill offers no completions: {news.what}."
    return f"{text} {sentence(news.remedy)}" if news.remedy else text


def failure_news(error: Exception) -> EngineNews:
    """Return the news of a backend that could not be made."""
    if isinstance(error, MidfillError):
        what, remedy = f"{error.subject}: {error.what}", error.remedy
    else:
        what, remedy = "an internal error", "see the server's log"
    return EngineNews(state=EngineState.FAILED, what=what, remedy=remedy)


def sentence(clause: str) -> str:
    """Return a clause as a sentence."""
    return f"{clause[:1].upper()}{clause[1:]}."
