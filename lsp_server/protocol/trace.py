"""``midfill/trace``: what the last request was, what was cut, why nothing was shown.

The text in it goes to the user's own editor on the user's own request. It is never
logged, and of each session only the last request is kept.
"""

from dataclasses import dataclass

from lsp_server.outcomes import CompletionResult, Ending, Reason
from lsp_server.protocol.inline_completion import CompletionOrder
from lsp_server.service.backend import Backend

__all__ = ["TRACE_METHOD", "TracedRequest", "trace_values"]

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
