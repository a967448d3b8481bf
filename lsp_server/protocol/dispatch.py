"""pygls' protocol with our own gate, documents and manners.

What differs from pygls: every message is judged before anything is done with it and
every request is answered; documents are our own; a request's document is frozen when
the request comes in; and no message's content is ever logged.
"""

import asyncio
import itertools
import logging
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from cattrs import Converter
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
    LanguageServerProtocol,
    lsp_method,
)

from lsp_server.protocol.convert import PositionEncoding
from lsp_server.protocol.document import Documents
from lsp_server.protocol.extensions import ACCEPTED_COMMAND, TRACE_METHOD
from lsp_server.protocol.inline_completion import take_order
from lsp_server.protocol.messages import (
    Fault,
    Incoming,
    Lifecycle,
    MessageKind,
    read_message,
)

if TYPE_CHECKING:
    from lsp_server.protocol.server import MidfillServer

__all__ = ["TIMINGS_METHOD", "MidfillProtocol", "wants"]

_log = logging.getLogger(__name__)

TIMINGS_METHOD = "midfill/completionTimings"

# pygls would take more, among them notebooks, which it would keep in memory for good.
_METHODS = frozenset(
    {
        types.CANCEL_REQUEST,
        types.EXIT,
        types.INITIALIZE,
        types.INITIALIZED,
        types.SET_TRACE,
        types.SHUTDOWN,
        types.TEXT_DOCUMENT_DID_CHANGE,
        types.TEXT_DOCUMENT_DID_CLOSE,
        types.TEXT_DOCUMENT_DID_OPEN,
        types.TEXT_DOCUMENT_INLINE_COMPLETION,
        types.WORKSPACE_DID_CHANGE_CONFIGURATION,
        types.WORKSPACE_EXECUTE_COMMAND,
        TRACE_METHOD,
    }
)
_SYNC_METHODS = frozenset(
    {types.TEXT_DOCUMENT_DID_OPEN, types.TEXT_DOCUMENT_DID_CHANGE}
)


class MidfillProtocol(LanguageServerProtocol):
    """Speaks LSP with one editor."""

    _server: "MidfillServer"  # type: ignore[mutable-override]  # never reassigned

    def __init__(self, server: "MidfillServer", converter: Converter) -> None:
        """Begin before ``initialize``."""
        super().__init__(server, converter)
        self.lifecycle = Lifecycle()
        self.documents = Documents(PositionEncoding.UTF16)
        self.timings_wanted = False
        self._request_numbers = itertools.count(1)

    def receive(self, body: bytes) -> bool:
        """Handle one message; False if it was not even JSON.

        Nothing that an editor sends makes this raise.
        """
        message = read_message(body)
        if isinstance(message, Fault):
            self.send_fault(message)
            return message.code != types.ErrorCodes.ParseError
        fault = self._refusal(message) or self._take(message)
        if fault is not None:
            _log.debug("message.refused", extra={"reason": fault.reason})
            if message.kind is MessageKind.REQUEST:
                self.send_fault(fault)
        return True

    async def answer_all(self) -> None:
        """Wait until every request that came in is answered."""
        futures: list[object] = [*self._request_futures.values()]
        # The others are our own requests, which an editor may never answer.
        running = [future for future in futures if isinstance(future, asyncio.Future)]
        if running:
            await asyncio.wait(running)

    def send_fault(self, fault: Fault) -> None:
        """Send an error; its id is null where the request is not known."""
        error = {"code": fault.code, "message": fault.reason}
        self._send_data({"jsonrpc": "2.0", "id": fault.message_id, "error": error})

    def _refusal(self, message: Incoming) -> Fault | None:
        """Tell why a message is not taken; None if it is."""
        fault = self.lifecycle.refusal(message)
        if fault is not None or message.kind is MessageKind.RESPONSE:
            return fault
        if message.method not in _METHODS:
            return Fault(
                code=types.ErrorCodes.MethodNotFound,
                reason="the method is not known",
                message_id=message.message_id,
            )
        answered = (
            message.method == TRACE_METHOD
            or types.METHOD_TO_TYPES[message.method][1] is not None
        )
        if answered is not (message.kind is MessageKind.REQUEST):
            return Fault(
                code=types.ErrorCodes.InvalidRequest,
                reason="the method needs an id" if answered else "it takes no id",
                message_id=message.message_id,
            )
        return None

    def _take(self, message: Incoming) -> Fault | None:
        """Hand a message to its handler."""
        try:
            structured = self.structure_message(message.data)
        except Exception as error:  # noqa: BLE001 - cattrs raises whatever its hooks do
            # Neither the error's text nor its traceback: both can hold the message.
            _log.warning(
                "message.unreadable",
                extra={"method": message.method, "error": type(error).__name__},
            )
            if message.method in _SYNC_METHODS:
                self._desynchronise(message.data)
            return Fault(
                code=types.ErrorCodes.InvalidParams,
                reason="the parameters do not fit the method",
                message_id=message.message_id,
            )
        self.lifecycle.passed(message)
        try:
            self.handle_message(structured)
        except Exception as error:  # noqa: BLE001 - a reply that nobody waits for, and the like
            _log.warning("message.failed", extra={"error": type(error).__name__})
        return None

    def structure_message(self, data: dict[str, Any]) -> Any:  # noqa: ANN401 - pygls' own signature
        """Turn JSON into lsprotocol's types, without logging it when it fails.

        Raises:
            Exception: The message does not fit its method.
        """
        method = data.get("method")
        if method:
            message_type = self.get_message_type(method)
        elif "error" in data:
            message_type = types.ResponseErrorMessage
        else:
            message_type = self._result_types.pop(data["id"], JsonRPCResponseMessage)
        unknown = JsonRPCRequestMessage if "id" in data else JsonRPCNotification
        return self._converter.structure(data, message_type or unknown)

    def _desynchronise(self, data: dict[str, Any]) -> None:
        """Give a document up, some message about which could not be read."""
        params = data.get("params")
        document = params.get("textDocument") if isinstance(params, dict) else None
        uri = document.get("uri") if isinstance(document, dict) else None
        if isinstance(uri, str):
            self.documents.desynchronise(uri)
            self._server.document_changed(uri)

    def _handle_request(
        self,
        msg_id: int | str,
        method_name: str,
        params: Any,  # noqa: ANN401 - pygls' own signature
    ) -> None:
        """Freeze what an inline completion is about, then dispatch as pygls does.

        A handler runs later than its message comes in, and the next message may
        already have changed the document by then.
        """
        if method_name == types.TEXT_DOCUMENT_INLINE_COMPLETION:
            number = next(self._request_numbers)
            params = take_order(
                params,
                self.documents,
                message_id=msg_id,
                request_id=f"completion-{number}",
            )
        super()._handle_request(msg_id, method_name, params)

    def _handle_cancel_notification(self, msg_id: int | str) -> None:
        """Cancel a request; one that is answered already is nothing to talk about."""
        if msg_id in self._request_futures:
            super()._handle_cancel_notification(msg_id)

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        """Answer with the capabilities; nothing slow happens before ``initialized``."""
        result = yield from super().lsp_initialize(params)
        kind = types.PositionEncodingKind(result.capabilities.position_encoding)
        self.documents = Documents(PositionEncoding(kind.value))
        self.timings_wanted = wants(params, "timings")
        result.capabilities.experimental = {
            "midfill": {"timings": True, "status": True, "trace": True}
        }
        result.capabilities.execute_command_provider = types.ExecuteCommandOptions(
            commands=[ACCEPTED_COMMAND]
        )
        # pygls offers these of its own accord, with nothing behind them.
        result.capabilities.workspace = None
        self._server.connected(params)
        return result

    @lsp_method(types.SHUTDOWN)
    async def lsp_shutdown(  # type: ignore[override]  # any handler kind will do
        self, *_args: object
    ) -> None:
        """Let everything go and answer at once; the engine ends with ``exit``.

        Editors wait for the answer, some of them for no more than a second, and then
        for the end of the process.
        """
        self._server.let_go()

    @lsp_method(types.EXIT)
    def lsp_exit(  # type: ignore[override]  # any handler kind will do
        self, *_args: object
    ) -> None:
        """End the server."""
        self._server.end("exit")

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(
        self, params: types.DidOpenTextDocumentParams
    ) -> None:
        """Take over a document."""
        self.documents.open(params.text_document)
        self._server.document_changed(params.text_document.uri)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(
        self, params: types.DidChangeTextDocumentParams
    ) -> None:
        """Follow a change."""
        self.documents.change(params)
        self._server.document_changed(params.text_document.uri)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(
        self, params: types.DidCloseTextDocumentParams
    ) -> None:
        """Forget a document."""
        uri = params.text_document.uri
        self.documents.close(uri)
        self._server.document_changed(uri, is_closed=True)

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    def lsp_workspace__execute_command(  # type: ignore[override]  # a plain answer
        self, params: types.ExecuteCommandParams
    ) -> None:
        """Take note of an acceptance, the one command that there is.

        Raises:
            JsonRpcInvalidParams: It is another command, or its arguments do not fit.
        """
        wrong = self._server.session.execute(params)
        if wrong is not None:
            raise JsonRpcInvalidParams(wrong)


def wants(params: types.InitializeParams, extra: str) -> bool:
    """Tell whether the client's experimental capabilities ask for an extra of ours."""
    experimental = params.capabilities.experimental
    midfill = experimental.get("midfill") if isinstance(experimental, dict) else None
    return isinstance(midfill, dict) and midfill.get(extra) is True
