"""JSON-RPC messages, and which of them LSP allows when.

What a message's parameters must be is checked where its method is known.

Source: JSON-RPC 2.0; Language Server Protocol 3.18, "Server lifecycle".
"""

import enum
import json
from dataclasses import dataclass

from lsprotocol import types

from lsp_server.protocol.lines import is_version, line_column

__all__ = [
    "Fault",
    "Incoming",
    "Lifecycle",
    "MessageKind",
    "Phase",
    "document_uri",
    "plain_change",
    "read_message",
]


_MOST_URI_CHARS = 32_768
"""Names of documents are remembered and logged; no path is as long."""


class MessageKind(enum.Enum):
    """The three kinds of JSON-RPC messages."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A message that is JSON-RPC.

    Attributes:
        kind: Request, notification or response.
        method: Its method; empty in a response.
        message_id: Its id; None in a notification.
        data: The whole message; parameters that it leaves out are null.
    """

    kind: MessageKind
    method: str
    message_id: int | str | None
    data: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The error that answers a message.

    Attributes:
        code: JSON-RPC's or LSP's error code.
        reason: A clause for people; it never holds anything of the message.
        message_id: The request that it answers; None if that is not known.
    """

    code: int
    reason: str
    message_id: int | str | None = None

    @property
    def body(self) -> bytes:
        """The error's message, as it is sent."""
        error = {"code": self.code, "message": self.reason}
        reply = {"jsonrpc": "2.0", "id": self.message_id, "error": error}
        return json.dumps(reply).encode()


def read_message(body: bytes) -> Incoming | Fault:
    """Read a message; what is none is a fault."""
    try:
        # Bytes that are no UTF-8 and numbers of absurd length are ValueErrors too.
        data = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return Fault(
            code=types.ErrorCodes.ParseError, reason="the message is not JSON in UTF-8"
        )
    if not isinstance(data, dict):
        return _invalid("the message is not an object")
    message_id = data.get("id")
    if isinstance(message_id, bool) or not isinstance(message_id, int | str | None):
        return _invalid("the id is neither a number nor a string")
    method = data.get("method", "")
    if len(document_uri(data) or "") > _MOST_URI_CHARS:
        return _invalid("the document's URI is too long", message_id)
    kind = _kind(data, method)
    if data.get("jsonrpc") != "2.0" or kind is None:
        return _invalid("the message is not JSON-RPC 2.0", message_id)
    if kind is not MessageKind.RESPONSE:
        data.setdefault("params", None)
    return Incoming(kind=kind, method=method, message_id=message_id, data=data)


def _kind(data: dict[str, object], method: object) -> MessageKind | None:
    """Return which kind of message this is; None for none of them."""
    if not isinstance(method, str):
        return None
    if not method:
        return MessageKind.RESPONSE if {"result", "error"} & data.keys() else None
    if "error" in data:
        return None
    if "id" not in data:
        return MessageKind.NOTIFICATION
    return None if data["id"] is None else MessageKind.REQUEST


def _invalid(reason: str, message_id: int | str | None = None) -> Fault:
    """Return the fault of a message that is JSON, but no JSON-RPC."""
    return Fault(
        code=types.ErrorCodes.InvalidRequest, reason=reason, message_id=message_id
    )


class Phase(enum.Enum):
    """The phases of a connection."""

    NEW = "new"
    RUNNING = "running"
    SHUT_DOWN = "shut down"


class Lifecycle:
    """The phase of one connection."""

    def __init__(self) -> None:
        self.phase = Phase.NEW

    @property
    def exit_code(self) -> int:
        """The status to exit with: 0 only after ``shutdown``."""
        return 0 if self.phase is Phase.SHUT_DOWN else 1

    def refusal(self, message: Incoming) -> Fault | None:
        """Return why a message is not allowed now; None if it is."""
        if message.method == types.EXIT or message.kind is MessageKind.RESPONSE:
            return None
        initializes = _is_request(message, types.INITIALIZE)
        if self.phase is Phase.NEW and not initializes:
            code: int = types.ErrorCodes.ServerNotInitialized
            reason = "initialize comes first"
        elif self.phase is Phase.RUNNING and initializes:
            code, reason = types.ErrorCodes.InvalidRequest, "it is initialized already"
        elif self.phase is Phase.SHUT_DOWN:
            code, reason = types.ErrorCodes.InvalidRequest, "it is shut down"
        else:
            return None
        return Fault(code=code, reason=reason, message_id=message.message_id)

    def passed(self, message: Incoming) -> None:
        """Take note of a message that was allowed and could be read."""
        if _is_request(message, types.INITIALIZE):
            self.phase = Phase.RUNNING
        elif _is_request(message, types.SHUTDOWN):
            self.phase = Phase.SHUT_DOWN


def _is_request(message: Incoming, method: str) -> bool:
    """Return whether a message is a request of this method."""
    return message.kind is MessageKind.REQUEST and message.method == method


def document_uri(message: dict[str, object]) -> str | None:
    """Return the document that a message is about; None if it names none."""
    params = message.get("params")
    document = params.get("textDocument") if isinstance(params, dict) else None
    uri = document.get("uri") if isinstance(document, dict) else None
    return uri if isinstance(uri, str) else None


def plain_change(message: Incoming) -> types.DidChangeTextDocumentParams | None:
    """Return the parameters of a change as typing makes it; None for any other message.

    Most messages of an editor are such changes, and pygls' way to a handler takes
    longer than what is done with one. The length that some send along is not used.
    """
    params = message.data.get("params")
    if message.method != types.TEXT_DOCUMENT_DID_CHANGE or not isinstance(params, dict):
        return None
    match params.get("textDocument"), params.get("contentChanges"):
        case (
            {"uri": str() as uri, "version": int() as version},
            [{"text": str() as text, "range": {"start": start, "end": end}}],
        ):
            first, last = _position(start), _position(end)
            if first is None or last is None:
                return None
            changed = types.TextDocumentContentChangePartial(
                range=types.Range(start=first, end=last), text=text
            )
        case _:
            return None
    if not is_version(version):
        return None
    document = types.VersionedTextDocumentIdentifier(version=version, uri=uri)
    return types.DidChangeTextDocumentParams(
        text_document=document, content_changes=(changed,)
    )


def _position(value: object) -> types.Position | None:
    """Return a position; None for anything else."""
    if (found := line_column(value)) is None:
        return None
    return types.Position(line=found.line, character=found.column)
