"""Follows the notifications that a server sends to the headless client."""

import asyncio
import os

from lsprotocol import types

from lsp_server.outcomes import RequestTimings
from lsp_server.protocol.extensions import TIMINGS_METHOD
from lsp_server.protocol.lines import PositionEncoding

__all__ = ["ServerNews", "introduction"]


class ServerNews:
    """Keeps a server's messages, and follows its engine by the progress bar.

    Attributes:
        loading: Set while the engine loads, at first or again after it died.
        ready: Set once the engine has loaded, or has failed for good.
        messages: Every message to the user, in their order.
        failure: The last message that was an error; empty where there was none.
    """

    def __init__(self) -> None:
        """Begin before the first notification."""
        self.loading = asyncio.Event()
        self.ready = asyncio.Event()
        self.messages: list[str] = []
        self.failure = ""
        self._timings: dict[object, RequestTimings] = {}

    def receive(self, method: str, params: object) -> None:
        """Take a notification; one that means nothing here is dropped."""
        values = params if isinstance(params, dict) else {}
        if method == TIMINGS_METHOD:
            self._timings[values["id"]] = RequestTimings(
                ttft_ms=values["ttftMs"],
                total_ms=values["totalMs"],
                prompt_tokens=values["promptTokens"],
                cached_tokens=values["cachedTokens"],
                output_tokens=values["outputTokens"],
            )
        elif method == types.PROGRESS:
            value = values.get("value")
            self._progress(value.get("kind") if isinstance(value, dict) else None)
        elif method in {
            types.WINDOW_SHOW_MESSAGE,
            types.WINDOW_SHOW_MESSAGE_REQUEST,
        }:
            self.messages.append(str(values.get("message")))
            if values.get("type") == types.MessageType.Error.value:
                self.failure = self.messages[-1]
                self.ready.set()

    def take_timings(self, request_id: int) -> RequestTimings | None:
        """Return a request's times, once; None where the server sent none."""
        return self._timings.pop(request_id, None)

    def _progress(self, kind: object) -> None:
        """Follow the only progress bar, that of the engine's start."""
        if kind == "begin":
            self.loading.set()
            self.ready.clear()
        elif kind == "end":
            self.loading.clear()
            self.ready.set()


def introduction(encoding: PositionEncoding, options: object) -> types.InitializeParams:
    """Return the parameters of ``initialize``, with the capabilities of this client.

    They are one position encoding, inline completion, progress bars and timings.

    Args:
        encoding: What columns count; the only encoding that the server is offered.
        options: The ``initializationOptions``, as JSON.
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
            experimental={"midfill": {"timings": True}},
        ),
        client_info=types.ClientInfo(name="midfill headless client"),
        initialization_options=options,
    )
