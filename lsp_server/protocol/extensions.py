"""What Midfill adds to LSP, and the acceptance command.

``midfill.accepted`` is the command of every item; an editor runs it when the item was
accepted. Only ids that this server gave out and counts are logged.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from lsprotocol import types

from lsp_server.outcomes import RequestTimings

__all__ = [
    "ACCEPTED_COMMAND",
    "EXTRAS_OFFERED",
    "TIMINGS_METHOD",
    "TRACE_METHOD",
    "Acceptances",
    "offer_of",
    "timings_params",
    "wants",
]

_log = logging.getLogger(__name__)

ACCEPTED_COMMAND = "midfill.accepted"
TIMINGS_METHOD = "midfill/completionTimings"
TRACE_METHOD = "midfill/trace"

EXTRAS_OFFERED: Mapping[str, bool] = MappingProxyType(
    {
        "timings": True,
        "status": True,
        "trace": True,
        "diagnostics": True,
        "cursor": True,
    }
)
"""What the server says in ``experimental.midfill`` that it can send and take."""

_REMEMBERED = 256
"""Items, the newest ones; editors show one at a time."""


def _ignore(_completion_id: str, _chars: int) -> None:
    """Do nothing about an acceptance."""


class Acceptances:
    """Remembers the items of recent answers, and logs which of them are accepted.

    Args:
        accepted: Called with the id of an item that was accepted, and how much of it.
    """

    def __init__(self, accepted: Callable[[str, int], None] = _ignore) -> None:
        self._accepted = accepted
        self._offered: OrderedDict[str, int] = OrderedDict()

    def offer(self, completion_id: str, chars: int) -> types.Command:
        """Remember an item, and return the command that it carries.

        Args:
            completion_id: The item's id.
            chars: The length of its text, in code points.
        """
        self._offered[completion_id] = chars
        while len(self._offered) > _REMEMBERED:
            self._offered.popitem(last=False)
        return types.Command(
            title="Midfill: accepted",
            command=ACCEPTED_COMMAND,
            arguments=[{"id": completion_id, "acceptedChars": chars}],
        )

    def accept(self, arguments: Sequence[object]) -> str | None:
        """Log that an item, or the beginning of it, was accepted.

        Args:
            arguments: The command's, as the editor sent them.

        Returns:
            What is wrong with them, as a clause; None if nothing is.
        """
        completion_id, chars = _read(arguments[0] if len(arguments) == 1 else None)
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
        self._accepted(completion_id, min(chars, offered))
        return None


def offer_of(item: types.InlineCompletionItem) -> tuple[str, int]:
    """Return the id and the length that an item's command carries."""
    arguments = item.command.arguments if item.command is not None else None
    completion_id, chars = _read(arguments[0] if arguments else None)
    return completion_id or "", chars or 0


def _read(given: object) -> tuple[str | None, int | None]:
    """Return an argument's id and number of characters; None for what does not fit."""
    if not isinstance(given, dict):
        return None, None
    completion_id, chars = given.get("id"), given.get("acceptedChars")
    is_count = isinstance(chars, int) and not isinstance(chars, bool) and chars >= 0
    return (
        completion_id if isinstance(completion_id, str) else None,
        chars if is_count else None,
    )


def wants(params: types.InitializeParams, extra: str) -> bool:
    """Return whether the client's experimental capabilities ask for an extra."""
    experimental = params.capabilities.experimental
    midfill = experimental.get("midfill") if isinstance(experimental, dict) else None
    return isinstance(midfill, dict) and midfill.get(extra) is True


def timings_params(
    message_id: int | str, timings: RequestTimings
) -> Mapping[str, object]:
    """Return the timings of a completion, for a client that asked for them."""
    return {
        "id": message_id,
        "ttftMs": timings.ttft_ms,
        "totalMs": timings.total_ms,
        "promptTokens": timings.prompt_tokens,
        "cachedTokens": timings.cached_tokens,
        "outputTokens": timings.output_tokens,
        "source": timings.source.value,
    }
