"""``midfill/status``: the state of engine and documents, for a status bar.

Sent only to an editor that asked for it: others log what they do not know.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.outcomes import OverloadStep

__all__ = ["STATUS_METHOD", "Status"]

STATUS_METHOD = "midfill/status"

#: A shorter completion is not shown as busy.
_BUSY_AFTER_S = 0.1

#: How long clients shall wait after a key before they ask, in milliseconds.
_DEBOUNCE_MS = {OverloadStep.SLOW_DOWN: 250, OverloadStep.REJECT: 500}

_OVERLOADED = "The server has more to do than it can: there are fewer suggestions."

_DISABLED = "Completions are switched off (setting completion.enabled)."

Payload = dict[str, object]


class Status:
    """Sends the state for an editor's status bar whenever it changes.

    Args:
        send: Sends one notification's parameters; None where nobody asked for them.
    """

    def __init__(self, send: Callable[[Payload], None] | None) -> None:
        self._send = send
        self._news: EngineNews | None = None
        self._enabled = True
        self._requests = 0
        self._busy = False
        self._step = OverloadStep.NORMAL
        self._timer: asyncio.TimerHandle | None = None
        self._sent: Payload | None = None

    def engine_changed(self, news: EngineNews) -> None:
        """Send a changed state of the engine."""
        self._news = news
        self._update()

    def overload_changed(self, step: OverloadStep) -> None:
        """Send whether clients shall ask less often."""
        self._step = step
        self._update()

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the setting itself
        """Note whether completions are offered at all."""
        self._enabled = enabled
        self._update()

    def document_off(self, uri: str, reason: str | None) -> None:
        """Note that a document gets no completions, and why; None when it does again.

        Args:
            uri: The document.
            reason: A sentence.
        """
        if reason is None:
            self._update()
        elif self._enabled:
            self._push(
                {"state": "off", "message": reason, "reason": reason, "uri": uri}
            )

    @contextmanager
    def working(self) -> Iterator[None]:
        """Show that a completion is being generated while this lasts, if it lasts."""
        self._requests += 1
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_BUSY_AFTER_S, self._set_busy)
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self._timer.cancel()
                self._timer = None
                if self._busy:
                    self._busy = False
                    self._update()

    def _set_busy(self) -> None:
        self._busy = True
        self._update()

    def _update(self) -> None:
        """Send the state, if the engine has one and it has changed."""
        if self._news is not None and (payload := self._payload(self._news)):
            self._push(payload)

    def _payload(self, news: EngineNews) -> Payload | None:
        """Return the notification for the engine's state; None for one without."""
        match news.state:
            case EngineState.STARTING:
                message = f"Loading: {news.what}."
                return {"state": "loading", "message": message, "percent": news.percent}
            case EngineState.RESTARTING:
                return {
                    "state": "restarting",
                    "message": f"Restarting: {news.what}.",
                    "percent": news.percent or 0,
                    "restarts": news.restarts,
                }
            case EngineState.READY:
                return self._ready(news)
            case EngineState.FAILED:
                return {
                    "state": "error",
                    "message": f"No completions: {news.what}.",
                    "remedy": news.remedy or "see the server's log",
                }
            case EngineState.CLOSED:
                return None

    def _ready(self, news: EngineNews) -> Payload:
        """Return the notification for a ready engine: off, busy or ready."""
        if not self._enabled:
            return {"state": "off", "message": _DISABLED, "reason": _DISABLED}
        where = {"model": news.model, "device": news.device}
        if debounce_ms := _DEBOUNCE_MS.get(self._step):
            return {
                "state": "busy",
                "message": _OVERLOADED,
                "debounceMs": debounce_ms,
                **where,
            }
        if self._busy:
            return {"state": "busy", "message": "Completing.", **where}
        message = f"Ready: {news.model} on {news.device}."
        extra = {"restarts": news.restarts} if news.restarts else {}
        return {"state": "ready", "message": message, **where, **extra}

    def _push(self, payload: Payload) -> None:
        """Send a payload, unless it was the last one sent."""
        if self._send is not None and payload != self._sent:
            self._sent = payload
            self._send(payload)
