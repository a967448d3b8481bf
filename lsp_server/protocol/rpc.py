"""LSP with one editor, on pygls: every message is checked before a handler gets it.

- Every request is answered once, and nothing that an editor sends raises.
- Documents are our own. pygls reads files from disk, splits lines at form feeds and
  U+2028, and applies edits that do not fit.
- No content of a message is logged.
"""

import asyncio
import contextvars
import logging
import traceback
from collections.abc import Generator
from typing import Any, Protocol

from cattrs import Converter
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from lsp_server import __version__
from lsp_server.protocol.documents import Documents
from lsp_server.protocol.extensions import EXTRAS_OFFERED, TRACE_METHOD
from lsp_server.protocol.framing import SkippedFrame, uris_in
from lsp_server.protocol.inline_completion import ARRIVAL_PLACE, place_of
from lsp_server.protocol.library import new_converter, silence_pygls
from lsp_server.protocol.lines import PositionEncoding
from lsp_server.protocol.messages import (
    Fault,
    Incoming,
    Lifecycle,
    MessageKind,
    document_uri,
    plain_change,
    read_message,
)
from lsp_server.protocol.project_events import FOLDERS_FOLLOWED, MESSAGE_TYPES

__all__ = ["Connection", "MidfillProtocol", "MidfillServer"]

_log = logging.getLogger(__name__)

# pygls has more, among them notebooks, which it would keep in memory for good.
_BUILTIN_METHODS = frozenset(
    {
        types.EXIT,
        types.INITIALIZE,
        types.INITIALIZED,
        types.SET_TRACE,
        types.SHUTDOWN,
        types.TEXT_DOCUMENT_DID_CHANGE,
        types.TEXT_DOCUMENT_DID_CLOSE,
        types.TEXT_DOCUMENT_DID_OPEN,
        types.WORKSPACE_EXECUTE_COMMAND,
    }
)
_SYNC_METHODS = frozenset(
    {types.TEXT_DOCUMENT_DID_OPEN, types.TEXT_DOCUMENT_DID_CHANGE}
)


class Connection(Protocol):
    """What a protocol reports to its owner; no method may raise or wait."""

    def opened(self, params: types.InitializeParams) -> None:
        """The editor has introduced itself; the reply to it is not sent yet."""
        ...

    def document_changed(self, uri: str, *, is_closed: bool = False) -> None:
        """A document is not what it was."""
        ...

    def shut_down(self) -> None:
        """The editor wants no more answers; ``exit`` follows."""
        ...

    def end(self, reason: str) -> None:
        """Nothing more is to be read from the editor."""
        ...


class MidfillProtocol(LanguageServerProtocol):
    """Speaks LSP with one editor."""

    connection: Connection
    """Set by ``MidfillServer``, before the first message."""

    def __init__(self, server: LanguageServer, converter: Converter) -> None:
        """Expect ``initialize``."""
        super().__init__(server, converter)
        self.lifecycle = Lifecycle()
        self.documents = Documents(PositionEncoding.UTF16)
        for method in self.fm.builtin_features.keys() - _BUILTIN_METHODS:
            del self.fm.builtin_features[method]

    def receive(self, body: bytes) -> Fault | None:
        """Handle one message; return the error that it is to be answered with."""
        message = read_message(body)
        if isinstance(message, Fault):
            return message
        fault = self._refusal(message) or self._take(message)
        if fault is not None:
            _log.debug("message.refused", extra={"reason": fault.reason})
        return fault if message.kind is MessageKind.REQUEST else None

    def skip(self, skipped: SkippedFrame) -> Fault:
        """Return the error for a message that is not read.

        It may have been a change: the document that it names, or else every one, gets
        no completions until it is whole again.
        """
        named = uris_in(skipped.ends)
        known = set(self.documents.uris)
        for uri in (named & known) if named else known:
            self._desynchronise(uri)
        _log.warning("message.skipped", extra={"bytes": skipped.length_bytes})
        return Fault(
            code=types.ErrorCodes.ParseError,
            reason=f"a message of {skipped.length_bytes} bytes {skipped.why}",
        )

    async def answer_all(self) -> None:
        """Wait until every request that came in is answered."""
        # Not public in pygls 2.1.1 either. Its other futures are our own requests.
        futures: list[object] = [*self._request_futures.values()]
        running = [future for future in futures if isinstance(future, asyncio.Future)]
        if running:
            await asyncio.wait(running)

    # pygls caches both, and so keeps closed connections alive.
    def get_message_type(self, method: str) -> Any:  # type: ignore[override]  # noqa: ANN401 - no cache; pygls' type
        """Return lsprotocol's type of a message; None if it has none."""
        return MESSAGE_TYPES.get(method, types.METHOD_TO_TYPES.get(method, (None,))[0])

    def get_result_type(self, method: str) -> Any:  # type: ignore[override]  # noqa: ANN401 - as above
        """Return lsprotocol's type of a reply; None if it has none."""
        return types.METHOD_TO_TYPES.get(method, (None, None))[1]

    def _refusal(self, message: Incoming) -> Fault | None:
        """Return why a message is not taken; None if it is."""
        fault = self.lifecycle.refusal(message)
        if fault is not None or message.kind is MessageKind.RESPONSE:
            return fault
        method, registry = message.method, self.fm
        is_known = method in registry.features or method in registry.builtin_features
        if not is_known and method != types.CANCEL_REQUEST:
            return Fault(
                code=types.ErrorCodes.MethodNotFound,
                reason="the method is not known",
                message_id=message.message_id,
            )
        is_answered = method == TRACE_METHOD or self.get_result_type(method) is not None
        if is_answered is not (message.kind is MessageKind.REQUEST):
            return Fault(
                code=types.ErrorCodes.InvalidRequest,
                reason="the method needs an id" if is_answered else "it takes no id",
                message_id=message.message_id,
            )
        return None

    def _take(self, message: Incoming) -> Fault | None:
        """Pass a message to its handler; return why that was not possible."""
        try:
            change = plain_change(message)
            structured = change or self.structure_message(message.data)
        except JsonRpcException as error:
            # Its cause can hold the message.
            _log.warning(
                "message.unreadable",
                extra={"method": message.method, "error": type(error).__name__},
            )
            if message.method in _SYNC_METHODS:
                self._desynchronise(document_uri(message.data))
            return Fault(
                code=types.ErrorCodes.InvalidParams,
                reason="the parameters do not fit the method",
                message_id=message.message_id,
            )
        self.lifecycle.passed(message)
        try:
            contextvars.copy_context().run(self._handle, message.method, structured)
        except Exception as error:  # noqa: BLE001 - one bad message must not end the rest
            _log.warning("message.failed", extra={"error": type(error).__name__})
            return Fault(
                code=types.ErrorCodes.InternalError,
                reason="an internal error, see the server's log",
                message_id=message.message_id,
            )
        return None

    def _handle(self, method: str, structured: Any) -> None:  # noqa: ANN401 - one of lsprotocol's messages
        """Let pygls call the handler, in a context that holds the request's place."""
        if isinstance(structured, types.DidChangeTextDocumentParams):
            self.lsp_text_document__did_change(structured)
            return
        if isinstance(structured, types.InlineCompletionRequest):
            ARRIVAL_PLACE.set(place_of(structured.params, self.documents))
            # What `handle_message` does with a request, once it knows that it is one:
            # to find that out takes longer than all the rest.
            self._handle_request(structured.id, method, structured.params)
            return
        self.handle_message(structured)

    def _desynchronise(self, uri: str | None) -> None:
        """Note that a message about a document was lost."""
        if uri is not None:
            self.documents.desynchronise(uri)
            self.connection.document_changed(uri)

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        """Answer with the capabilities; nothing slow happens before ``initialized``."""
        result = yield from super().lsp_initialize(params)
        capabilities = result.capabilities
        kind = types.PositionEncodingKind(capabilities.position_encoding)
        self.documents.encoding = PositionEncoding(kind.value)
        capabilities.experimental = {"midfill": dict(EXTRAS_OFFERED)}
        capabilities.workspace = FOLDERS_FOLLOWED
        self.connection.opened(params)
        return result

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *_args: object) -> None:  # type: ignore[override]  # pygls takes plain functions too
        """Answer at once: some editors wait a second. The engine ends at ``exit``."""
        self.connection.shut_down()

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_args: object) -> None:  # type: ignore[override]  # as above
        """End the connection."""
        self.connection.end("exit")

    # Plain functions: pygls would keep a future of every notification that a generator
    # or a coroutine handles.
    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(
        self, params: types.DidOpenTextDocumentParams
    ) -> None:
        """Open a document."""
        self.documents.open(params.text_document)
        self.connection.document_changed(params.text_document.uri)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(
        self, params: types.DidChangeTextDocumentParams
    ) -> None:
        """Change a document."""
        self.documents.change(params)
        self.connection.document_changed(params.text_document.uri)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(
        self, params: types.DidCloseTextDocumentParams
    ) -> None:
        """Close a document."""
        self.documents.close(params.text_document.uri)
        self.connection.document_changed(params.text_document.uri, is_closed=True)


class MidfillServer(LanguageServer):
    """pygls' server for one connection.

    Args:
        connection: The owner; it registers the handlers.
        converter: Reads and writes LSP's values; None for one of its own. What it has
            learnt of a message's type it knows in every connection.
    """

    protocol: MidfillProtocol  # type: ignore[mutable-override]  # never reassigned

    def __init__(
        self, connection: Connection, converter: Converter | None = None
    ) -> None:
        """Make the protocol; nothing is read or written yet."""
        silence_pygls()
        super().__init__(
            "midfill",
            __version__,
            protocol_cls=MidfillProtocol,
            converter_factory=lambda: converter or new_converter(),
        )
        self.protocol.connection = connection

    def report_server_error(self, error: Exception, source: type[Exception]) -> None:
        """Log an internal error, without its text, which could hold source text."""
        data = error.data if isinstance(error, JsonRpcException) else None
        if isinstance(data, dict) and "traceback" in data:
            places = data["traceback"]
        else:
            places = traceback.format_tb(error.__traceback__)
        _log.error(
            "server.error",
            extra={
                "error": type(error).__name__,
                "source": source.__name__,
                "places": "".join(places),
            },
        )
