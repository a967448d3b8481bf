"""The guard of a request: whatever the backend does, one request alone suffers."""

import logging
import traceback

from pygls.exceptions import JsonRpcInternalError

from lsp_server.errors import MidfillError
from lsp_server.outcomes import CompletionResult
from lsp_server.protocol.inline_completion import CompletionRequest, Place
from lsp_server.service import reasons
from lsp_server.service.backend import Backend
from lsp_server.service.typed_ahead import TypedAhead

__all__ = ["complete_or_reason"]

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
