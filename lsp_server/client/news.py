"""The headless client's capabilities, and a server's notifications to it."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from lsp_server import __version__
from lsp_server.history.events import OWN_CLIENT
from lsp_server.outcomes import RequestTimings, Source
from lsp_server.protocol.extensions import TIMINGS_METHOD
from lsp_server.protocol.lines import PositionEncoding
from lsp_server.protocol.status import STATUS_METHOD
from lsp_server.values import Trigger

__all__ = ["ServerNews", "completion_params", "introduction"]

_Handler = Callable[[Any], None]
_Message = types.ShowMessageParams | types.ShowMessageRequestParams


class ServerNews:
    """Keeps a server's messages and times, and follows its engine by bar and status.

    Attributes:
        loading: Set while the engine loads, at first or again after it died.
        ready: Set once the engine has loaded, or has failed for good.
        lost: Set while an engine that was ready is not, and has not become so again.
        messages: Every message to the user, in their order.
        model: The model of the engine that was ready last, as the server calls it.
        losses: How often an engine that was ready was not ready any more.
        failure: The last message that was an error, else what the status says of an
            engine that failed; empty where there was neither, or the engine is ready.
    """

    def __init__(self) -> None:
        self.loading = asyncio.Event()
        self.ready = asyncio.Event()
        self.lost = asyncio.Event()
        self.messages: list[str] = []
        self.model = ""
        self.losses = 0
        self.failure = ""
        self._has_bar = False
        self._timings: dict[object, RequestTimings] = {}

    def follow(self, client: LanguageClient) -> None:
        """Register with a client, before it reads: what a server may say or ask."""
        handles: Callable[[str], Callable[[_Handler], _Handler]] = client.feature

        def take_message(params: _Message) -> None:
            self.messages.append(params.message)
            if params.type == types.MessageType.Error:
                self.failure = params.message
                self.ready.set()

        @handles(types.PROGRESS)
        def progress(params: types.ProgressParams) -> None:
            self._progress(params.value)

        @handles(types.WINDOW_SHOW_MESSAGE)
        def show_message(params: types.ShowMessageParams) -> None:
            take_message(params)

        # No button of a message is chosen, and a progress bar is granted.
        @handles(types.WINDOW_SHOW_MESSAGE_REQUEST)
        def show_message_request(params: types.ShowMessageRequestParams) -> None:
            take_message(params)

        @handles(types.WINDOW_WORK_DONE_PROGRESS_CREATE)
        def create_progress(_params: types.WorkDoneProgressCreateParams) -> None:
            self._has_bar = True

        # An engine that others use already has no bar any more.
        @handles(STATUS_METHOD)
        def status(params: dict[str, Any]) -> None:
            self._status(params)

        @handles(TIMINGS_METHOD)
        def timings(params: dict[str, Any]) -> None:
            self._timings[params["id"]] = RequestTimings(
                ttft_ms=params["ttftMs"],
                total_ms=params["totalMs"],
                prompt_tokens=params["promptTokens"],
                cached_tokens=params["cachedTokens"],
                output_tokens=params["outputTokens"],
                source=Source(params["source"]),
            )

    def take_timings(self, request_id: int) -> RequestTimings | None:
        """Return a request's times, once; None where the server sent none."""
        return self._timings.pop(request_id, None)

    def _status(self, params: Mapping[str, Any]) -> None:
        """Follow the engine's state: its end, and where there is no bar the rest."""
        self.model = params.get("model", self.model)
        match params["state"]:
            case "ready":
                self.failure = ""
                if not self._has_bar:
                    self._become_ready()
            case "loading" | "restarting":
                self._become_unready()
            case "error":
                # The message for the user may come after the end of the bar.
                what = f"{params['message']} {params['remedy']}".strip()
                self.failure = self.failure or what
                self._lose()
                if not self._has_bar:
                    self.loading.clear()
                    self.ready.set()

    def _progress(self, value: object) -> None:
        """Follow the only progress bar, that of the engine's start."""
        kind = value.get("kind") if isinstance(value, dict) else None
        if kind == "begin":
            self._become_unready()
        elif kind == "end":
            self._has_bar = False
            self._become_ready()

    def _become_ready(self) -> None:
        """Let those go on who wait for the engine, or for the end of its start."""
        self.loading.clear()
        self.lost.clear()
        self.ready.set()

    def _become_unready(self) -> None:
        """Note that the engine loads, at first or again."""
        self._lose()
        self.loading.set()
        self.ready.clear()

    def _lose(self) -> None:
        """Note that an engine is not ready any more, if it was."""
        if self.ready.is_set() and not self.lost.is_set():
            self.losses += 1
            self.lost.set()


def introduction(
    encoding: PositionEncoding, options: object, folders: Sequence[str] = ()
) -> types.InitializeParams:
    """Return the parameters of ``initialize``, with the capabilities of this client.

    They are one position encoding, inline completion, progress, timings and status.

    Args:
        encoding: What columns count; the only encoding that the server is offered.
        options: The ``initializationOptions``, as JSON.
        folders: The URIs of the workspace's folders.
    """
    kind = types.PositionEncodingKind(encoding.value)
    return types.InitializeParams(
        process_id=os.getpid(),
        capabilities=types.ClientCapabilities(
            general=types.GeneralClientCapabilities(position_encodings=[kind]),
            text_document=types.TextDocumentClientCapabilities(
                inline_completion=types.InlineCompletionClientCapabilities()
            ),
            window=types.WindowClientCapabilities(work_done_progress=True),
            experimental={"midfill": {"timings": True, "status": True}},
        ),
        client_info=types.ClientInfo(name=OWN_CLIENT, version=__version__),
        initialization_options=options,
        workspace_folders=[
            types.WorkspaceFolder(uri=uri, name=uri.rpartition("/")[2])
            for uri in folders
        ],
    )


def completion_params(
    cursor: types.TextDocumentPositionParams, trigger: Trigger
) -> types.InlineCompletionParams:
    """Return the parameters of ``textDocument/inlineCompletion``."""
    kinds = types.InlineCompletionTriggerKind
    kind = kinds.Invoked if trigger is Trigger.INVOKED else kinds.Automatic
    return types.InlineCompletionParams(
        text_document=cursor.text_document,
        position=cursor.position,
        context=types.InlineCompletionContext(trigger_kind=kind),
    )
