"""Messages that the attached server reads and makes, as JSON."""

import json
from collections.abc import Mapping

__all__ = [
    "ENDING_METHOD",
    "INFO",
    "NOT_INITIALIZED",
    "PARSE_ERROR",
    "REQUEST_FAILED",
    "WARNING",
    "Message",
    "MessageId",
    "answer_without_daemon",
    "encoded",
    "error_reply",
    "id_of",
    "log_message",
    "notification",
    "read_object",
    "restarting_status",
    "show_message",
]

ENDING_METHOD = "midfill/daemonEnding"
"""The notification by which a daemon that ends in order says so, and why.

Its ``reason`` is ``stop`` or ``restart``. It is not passed on to the editor.
"""

PARSE_ERROR = -32700
NOT_INITIALIZED = -32002
REQUEST_FAILED = -32803
WARNING, INFO = 2, 3

_NO_ANSWERS: Mapping[str, object] = {
    "textDocument/inlineCompletion": [],
    "shutdown": None,
    "workspace/executeCommand": None,
    "midfill/trace": None,
}
"""What requests are answered with while there is no daemon."""

Message = dict[str, object]
MessageId = int | str | None


def read_object(body: bytes) -> Message | None:
    """Read a message; None if it is no object of JSON."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def id_of(message: Message) -> MessageId:
    """Return the id of a message."""
    found = message.get("id")
    return found if isinstance(found, int | str) else None


def encoded(message: Message) -> bytes:
    """Return a message as it is sent."""
    return json.dumps(message).encode()


def notification(method: str, params: object) -> bytes:
    """Return a notification."""
    return encoded({"jsonrpc": "2.0", "method": method, "params": params})


def error_reply(message_id: MessageId, code: int, why: str) -> bytes:
    """Return the error that answers a request."""
    error = {"code": code, "message": why}
    return encoded({"jsonrpc": "2.0", "id": message_id, "error": error})


def show_message(text: str) -> bytes:
    """Return a message to the user."""
    return notification("window/showMessage", {"type": WARNING, "message": text})


def log_message(kind: int, text: str) -> bytes:
    """Return an entry for the editor's log."""
    return notification("window/logMessage", {"type": kind, "message": text})


def answer_without_daemon(method: str, message_id: MessageId) -> bytes:
    """Return the answer to a request while there is no daemon."""
    if method in _NO_ANSWERS:
        result = _NO_ANSWERS[method]
        return encoded({"jsonrpc": "2.0", "id": message_id, "result": result})
    return error_reply(message_id, REQUEST_FAILED, "Midfill's daemon is not there")


def restarting_status(losses: int) -> bytes:
    """Return the status of a server that looks for its daemon."""
    return notification(
        "midfill/status",
        {
            "state": "restarting",
            "message": "Restarting: the daemon has stopped.",
            "percent": 0,
            "restarts": losses,
        },
    )
