"""Each phase of a connection lets in what the protocol says."""

import pytest

from lsp_server.protocol.lifecycle import Lifecycle, Phase
from lsp_server.protocol.messages import Incoming, MessageKind


def message(method: str) -> Incoming:
    """Make a message; a response where there is no method."""
    if not method:
        kind, message_id = MessageKind.RESPONSE, 1
    elif method in {"exit", "initialized"}:
        kind, message_id = MessageKind.NOTIFICATION, None
    else:
        kind, message_id = MessageKind.REQUEST, 1
    return Incoming(kind=kind, method=method, message_id=message_id, data={})


@pytest.mark.parametrize(
    ("phase", "method", "code"),
    [
        (Phase.NEW, "initialize", None),
        (Phase.NEW, "exit", None),
        (Phase.NEW, "shutdown", -32002),
        (Phase.NEW, "initialized", -32002),
        (Phase.NEW, "textDocument/inlineCompletion", -32002),
        (Phase.RUNNING, "initialize", -32600),
        (Phase.RUNNING, "textDocument/inlineCompletion", None),
        (Phase.RUNNING, "", None),
        (Phase.SHUT_DOWN, "textDocument/inlineCompletion", -32600),
        (Phase.SHUT_DOWN, "shutdown", -32600),
        (Phase.SHUT_DOWN, "initialize", -32600),
        (Phase.SHUT_DOWN, "exit", None),
        (Phase.SHUT_DOWN, "", None),
    ],
)
def test_what_a_phase_refuses(phase: Phase, method: str, code: int | None) -> None:
    """In this phase, this method is refused with this code, or let in."""
    lifecycle = Lifecycle()
    lifecycle.phase = phase
    fault = lifecycle.refusal(message(method))
    assert code == (fault.code if fault else None)


def test_the_phases_follow_each_other() -> None:
    """``initialize`` starts the work, ``shutdown`` ends it and makes the exit good."""
    lifecycle = Lifecycle()
    assert (Phase.NEW, 1) == (lifecycle.phase, lifecycle.exit_code)
    lifecycle.passed(message("initialize"))
    assert (Phase.RUNNING, 1) == (lifecycle.phase, lifecycle.exit_code)
    lifecycle.passed(message("textDocument/inlineCompletion"))
    lifecycle.passed(message("shutdown"))
    assert (Phase.SHUT_DOWN, 0) == (lifecycle.phase, lifecycle.exit_code)


def test_a_notification_does_not_pass_as_a_request() -> None:
    """``initialize`` and ``shutdown`` without an id are neither."""
    lifecycle = Lifecycle()
    fake = Incoming(
        kind=MessageKind.NOTIFICATION, method="initialize", message_id=None, data={}
    )
    assert lifecycle.refusal(fake) is not None
    lifecycle.passed(fake)
    assert lifecycle.phase is Phase.NEW
