"""The command by which an editor tells that a suggestion was accepted.

Each item carries it; an editor runs it behind a full accept. Who accepts a word or a
line runs it with the number of characters accepted so far. What is logged are ids that
this server gave out, and counts.
"""

import logging
from collections import OrderedDict
from dataclasses import dataclass

from lsprotocol import types

from lsp_server.outcomes import CompletionResult, Ending, Reason
from lsp_server.protocol.inline_completion import CompletionOrder
from lsp_server.service.backend import Backend

__all__ = [
    "ACCEPTED_COMMAND",
    "TRACE_METHOD",
    "Acceptances",
    "TracedRequest",
    "trace_values",
]

_log = logging.getLogger(__name__)


ACCEPTED_COMMAND = "midfill.accepted"

_REMEMBERED = 256
"""Suggestions whose acceptance is still waited for; editors show one at a time."""


class Acceptances:
    """Remembers what was offered, and logs what was accepted of it."""

    def __init__(self) -> None:
        """Begin with nothing offered."""
        self._offered: OrderedDict[str, int] = OrderedDict()

    def offer(self, completion_id: str, chars: int) -> types.Command:
        """Remember an item of an answer, and return the command that it carries.

        Args:
            completion_id: Names the completion.
            chars: Code points of the item's text.
        """
        self._offered[completion_id] = chars
        while len(self._offered) > _REMEMBERED:
            self._offered.popitem(last=False)
        return types.Command(
            title="Midfill: accepted",
            command=ACCEPTED_COMMAND,
            arguments=[{"id": completion_id, "acceptedChars": chars}],
        )

    def execute(self, params: types.ExecuteCommandParams) -> str | None:
        """Take an editor's word that something was accepted.

        Returns:
            What is wrong with the command, as a clause; None if nothing is.
        """
        if params.command != ACCEPTED_COMMAND:
            return f"the only command is {ACCEPTED_COMMAND}"
        arguments = params.arguments or []
        given = arguments[0] if len(arguments) == 1 else None
        completion_id, chars = _read(given)
        if completion_id is None or chars is None:
            return (
                f"{ACCEPTED_COMMAND} takes one argument "
                '{"id": string, "acceptedChars": number, 0 or more}'
            )
        offered = self._offered.get(completion_id)
        if offered is None:
            _log.debug("completion.accepted_unknown", extra={"accepted_chars": chars})
            return None
        _log.info(
            "completion.accepted",
            extra={
                "request_id": completion_id,
                "accepted_chars": min(chars, offered),
                "offered_chars": offered,
            },
        )
        return None


def _read(given: object) -> tuple[str | None, int | None]:
    """Read the command's argument; None for a part that is missing or no such thing."""
    if not isinstance(given, dict):
        return None, None
    completion_id, chars = given.get("id"), given.get("acceptedChars")
    is_count = isinstance(chars, int) and not isinstance(chars, bool) and chars >= 0
    return (
        completion_id if isinstance(completion_id, str) else None,
        chars if is_count else None,
    )


TRACE_METHOD = "midfill/trace"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRequest:
    """A request that was answered.

    Attributes:
        order: What was asked.
        result: What came of it; None where it ended before there was a result.
        shown: The texts of the items in the answer.
        reason: Why there are none; None where there are some.
    """

    order: CompletionOrder
    result: CompletionResult | None
    shown: tuple[str, ...]
    reason: Reason | None

    @property
    def ending(self) -> Ending:
        """How the request ended."""
        return Ending.SHOWN if self.reason is None else self.reason.ending


def trace_values(request: TracedRequest, backend: Backend) -> dict[str, object]:
    """Put a request into the values of a reply, all of them JSON's."""
    order = request.order
    result = request.result or CompletionResult()
    timings = result.timings
    return {
        "requestId": order.request_id,
        "uri": order.uri,
        "line": order.position.line,
        "character": order.position.character,
        "trigger": order.trigger.value,
        "scope": result.scope and result.scope.value,
        "prompt": backend.prompt_text(result.prompt) if result.prompt else "",
        "promptTokens": timings.prompt_tokens if timings else 0,
        "cachedTokens": timings.cached_tokens if timings else 0,
        "generated": list(result.generated),
        "cuts": [
            {"filter": cut.filter_name, "before": cut.before, "after": cut.after}
            for cut in result.cuts
        ],
        "shown": list(request.shown),
        "outcome": request.ending.value,
        "reason": request.reason and request.reason.sentence,
        "ttftMs": timings and timings.ttft_ms,
        "totalMs": timings and timings.total_ms,
        "outputTokens": timings.output_tokens if timings else 0,
    }
