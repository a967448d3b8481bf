"""Says what is wrong with a body that a route cannot take, without repeating it."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from lsp_server.metrics import Refusal
from lsp_server.rest.api_errors import Problem

__all__ = ["invalid_body"]

_INVALID_STATUS = 400
_NOT_JSON_STATUS = 415
_INVALID = "invalid_request_error"
_JSON = re.compile(r"application/(.+\+)?json")
"""The content types that FastAPI reads as JSON."""

_NOT_JSON = Problem(
    status=_NOT_JSON_STATUS,
    kind=_INVALID,
    code="unsupported_media_type",
    message="the request: its header content-type says that the body is no JSON. Send "
    "JSON, with `content-type: application/json`.",
    refusal=Refusal.INVALID,
)

_CHOICES: Mapping[str, str] = MappingProxyType(
    {
        "prompt": "it is not a text, a list of at most 16 texts, a list of tokens, or "
        "a list of at most 16 lists of tokens",
        "messages": "it is not a list of at most 256 messages, each with a role and "
        "text as its content",
    }
)
"""What a parameter of several forms may be, which pydantic says form by form."""


def invalid_body(
    errors: Sequence[Mapping[str, object]], *, content_type: str
) -> Problem:
    """Return what the client gets for a body that is not what the route takes.

    Args:
        errors: What pydantic found; the first one is reported, without the input.
        content_type: The header of that name; without one, a body is read as JSON.
    """
    first = errors[0] if errors else {"loc": (), "msg": "it is not JSON"}
    where = first["loc"]
    parts = [str(part) for part in where] if isinstance(where, tuple) else []
    parameter = parts[1] if len(parts) > 1 and not parts[1].isdecimal() else ""
    if where == ("body",) and not _is_json(content_type):
        return _NOT_JSON
    code = "invalid_value"
    match first.get("type"):
        case "unsupported_parameter":
            code = "unsupported_parameter"
        case "json_invalid":
            parameter = ""
    message = str(first["msg"]).removesuffix(".")
    if where == ("body",):
        # pydantic would name the class that it reads into.
        message = "its body is not a JSON object"
    if len(errors) > 1 or (parameter == "prompt" and first.get("type") != "missing"):
        message = _CHOICES.get(parameter, message)
    subject = parameter or "the request"
    return Problem(
        status=_INVALID_STATUS,
        kind=_INVALID,
        code=code,
        message=f"{subject}: {message}. The page /docs lists what each route takes.",
        parameter=parameter,
        refusal=Refusal.INVALID,
    )


def _is_json(content_type: str) -> bool:
    """Return whether a content type is one of JSON; as none at all is taken to be."""
    kind = content_type.partition(";")[0].strip().lower()
    return not kind or _JSON.fullmatch(kind) is not None
