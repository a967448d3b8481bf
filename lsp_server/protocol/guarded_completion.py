"""Completes under a guard: an error of the backend costs one request alone.

And where the request comes to nothing, there is a reason.
"""

import logging
import traceback

from pygls.exceptions import JsonRpcInternalError

from lsp_server.errors import MidfillError
from lsp_server.outcomes import CompletionResult, Reason
from lsp_server.protocol.inline_completion import CompletionRequest, Place, is_usable
from lsp_server.service import reasons
from lsp_server.service.backend import Backend
from lsp_server.service.typed_ahead import TypedAhead

__all__ = ["complete_or_reason", "why_left_out", "why_no_place"]

_log = logging.getLogger(__name__)


async def complete_or_reason(
    backend: Backend, place: Place, request: CompletionRequest, typed: TypedAhead
) -> CompletionResult:
    """Ask the backend; an engine that fails gives a result with its reason.

    Raises:
        JsonRpcInternalError: There is a bug below; only this request suffers.
    """
    try:
        return await backend.complete(
            place.snapshot,
            request_id=request.request_id,
            trigger=request.trigger,
            typed=typed,
        )
    except MidfillError as error:
        _log.warning(
            "completion.failed",
            extra={
                "request_id": request.request_id,
                "error": type(error).__name__,
                "what": error.what,
            },
        )
        return CompletionResult(reason=reasons.failed(error.what))
    except Exception as error:  # noqa: BLE001 - the one guard of a request
        # Not the error's text, which could hold some of the document.
        places = traceback.format_tb(error.__traceback__)
        _log.error(
            "completion.crashed",
            extra={
                "request_id": request.request_id,
                "error": type(error).__name__,
                "places": "".join(places),
            },
        )
        raise JsonRpcInternalError(
            "the completion failed, see the server's log"
        ) from None


def why_no_place(request: CompletionRequest) -> Reason:
    """Return why a request has no place in a document."""
    if request.selected is not None and not is_usable(request.selected):
        return reasons.SELECTION_UNUSABLE
    return reasons.OUT_OF_STEP


def why_left_out(request: CompletionRequest) -> Reason:
    """Return why none of a request's completions became an item."""
    is_as_it_was = request.place is not None and request.place.typed() == ""
    if request.selected is not None and is_as_it_was:
        return reasons.NOT_EXTENDING
    return reasons.SUPERSEDED
