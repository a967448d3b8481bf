"""The phases of a connection, and which messages each of them lets in.

Source: Language Server Protocol 3.18, "Server lifecycle".
"""

import enum

from lsprotocol import types

from lsp_server.protocol.messages import Fault, Incoming, MessageKind

__all__ = ["Lifecycle", "Phase"]


class Phase(enum.Enum):
    """Where a connection stands between its start and its end."""

    NEW = "new"
    RUNNING = "running"
    SHUT_DOWN = "shut down"


class Lifecycle:
    """Follows the phase of one connection."""

    def __init__(self) -> None:
        """Start before ``initialize``."""
        self.phase = Phase.NEW

    @property
    def exit_code(self) -> int:
        """The status to exit with: 0 only after ``shutdown``."""
        return 0 if self.phase is Phase.SHUT_DOWN else 1

    def refusal(self, message: Incoming) -> Fault | None:
        """Tell why a message may not come in now; None if it may."""
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
        """Note a message that came in and could be read."""
        if _is_request(message, types.INITIALIZE):
            self.phase = Phase.RUNNING
        elif _is_request(message, types.SHUTDOWN):
            self.phase = Phase.SHUT_DOWN


def _is_request(message: Incoming, method: str) -> bool:
    """Tell whether a message is a request of this method."""
    return message.kind is MessageKind.REQUEST and message.method == method
