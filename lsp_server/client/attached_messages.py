"""Messages that the attached server reads and makes, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "DAEMON_WORDS",
    "ENDING_METHOD",
    "INFO",
    "NOT_INITIALIZED",
    "NO_EDITOR",
    "PARSE_ERROR",
    "REQUEST_FAILED",
    "WARNING",
    "LossWords",
    "Message",
    "MessageId",
    "Routed",
    "answer_without_daemon",
    "bar_end",
    "encoded",
    "error_reply",
    "id_of",
    "log_message",
    "notification",
    "read_object",
    "restarting_status",
    "show_message",
    "value_at",
    "without_daemon_status",
]

ENDING_METHOD = "midfill/daemonEnding"
"""The notification by which a daemon that ends in order says so, and why.

Its ``reason`` is ``stop`` or ``restart``. It is not passed on to the editor.
"""

PARSE_ERROR = -32700
NOT_INITIALIZED = -32002
REQUEST_FAILED = -32803
WARNING, INFO = 2, 3

NO_EDITOR = (
    "no process of this machine has the id that processId names, so the server ends, "
    "as it does with its editor. Send the id of the editor's process, or null where it "
    "is not one of this machine or container."
)
"""Why ``initialize`` is refused for an editor that does not run."""

_NO_ANSWERS: Mapping[str, object] = {
    "textDocument/inlineCompletion": [],
    "shutdown": None,
    "workspace/executeCommand": None,
    "midfill/trace": None,
}
"""What requests are answered with while there is no daemon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWords:
    """What the user reads when the server behind the attached one is lost.

    Attributes:
        died: It has gone, and is looked for again.
        restarting: The same for a status bar.
        stopped: Somebody has ended it.
        start: What brings it back then.
        back: It is there again.
    """

    died: str
    restarting: str
    stopped: str = ""
    start: str = ""
    back: str


DAEMON_WORDS = LossWords(
    died="Midfill's daemon has stopped. It is being started again.",
    restarting="Restarting: the daemon has stopped.",
    stopped="Midfill's daemon was stopped.",
    start="Completions come back with `midfill daemon start`.",
    back="Midfill's daemon is back.",
)

Message = dict[str, object]
MessageId = int | str | None


@dataclass(slots=True, kw_only=True)
class Routed:
    """What is to be sent because of one message.

    Attributes:
        to_daemon: Message bodies, in their order.
        to_editor: Message bodies, in their order.
    """

    to_daemon: list[bytes] = field(default_factory=list)
    to_editor: list[bytes] = field(default_factory=list)


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


def value_at(found: object, *keys: str) -> object:
    """Return what objects within objects hold; None if it is not there."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


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


def bar_end(token: int | str) -> bytes:
    """Return the end of a progress bar whose daemon has gone."""
    value = {"kind": "end", "message": "the server has gone"}
    return notification("$/progress", {"token": token, "value": value})


def restarting_status(what: str, losses: int) -> bytes:
    """Return the status of a server that looks for its daemon."""
    return notification(
        "midfill/status",
        {
            "state": "restarting",
            "message": what,
            "percent": 0,
            "restarts": losses,
        },
    )


def without_daemon_status(why: str, remedy: str) -> bytes:
    """Return the status of a server that will find no daemon by itself for now."""
    return notification(
        "midfill/status", {"state": "error", "message": why, "remedy": remedy}
    )
