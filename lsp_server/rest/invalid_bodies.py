"""Says what is wrong with a body that a route cannot take, without repeating it.

The words are our own: pydantic's are about its types, and so for who wrote the server.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from lsp_server.metrics import Refusal
from lsp_server.rest.api_errors import Problem

__all__ = ["invalid_body"]

_INVALID_STATUS = 400
_NOT_JSON_STATUS = 415
_INVALID = "invalid_request_error"
_UNSUPPORTED = "unsupported_parameter"
_JSON = re.compile(r"application/(.+\+)?json")
"""The content types that FastAPI reads as JSON."""

_FIELD = re.compile(r"[a-z_]+")
"""A parameter; what else is in pydantic's places names a form that was tried."""

_NOT_JSON = Problem(
    status=_NOT_JSON_STATUS,
    kind=_INVALID,
    code="unsupported_media_type",
    message="the request: its header content-type says that the body is no JSON. Send "
    "JSON, with `content-type: application/json`.",
    refusal=Refusal.INVALID,
)

_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "prompt": "it is not a text, a list of at most 16 texts, a list of tokens, or "
        "a list of at most 16 lists of tokens",
        "content": "it is neither a text nor a list of at most 32 parts, each with "
        "the type `text` and a text",
        "stop": "it is neither a text nor a list of at most 16 texts",
    }
)
"""What a parameter of several forms may be, which pydantic says form by form."""

_WRONG_FORM = frozenset({"string_type", "int_type", "list_type", "int_from_float"})

_PROMPT_FORMS = frozenset({"text", "texts", "tokens", "token lists"})

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "bool_parsing": "it is neither true nor false",
        "bool_type": "it is neither true nor false",
        "dataclass_type": "it is not a JSON object",
        "finite_number": "it is not a finite number",
        "float_parsing": "it is not a number",
        "float_type": "it is not a number",
        "greater_than": "it has to be more than {gt:,}",
        "greater_than_equal": "it has to be {ge:,} or more",
        "int_from_float": "it is not a whole number",
        "int_parsing": "it is not a whole number",
        "int_parsing_size": "it is not a whole number that fits into 64 bits",
        "int_type": "it is not a whole number",
        "less_than_equal": "it has to be {le:,} or less",
        "list_type": "it is not a list",
        "literal_error": "it has to be {expected}",
        "missing": "it is needed, and not there",
        "string_too_long": "it has more than {max_length:,} characters",
        "string_too_short": "it is empty",
        "string_type": "it is not a text",
        "too_long": "it has more than {max_length:,} items",
        "too_short": "it is empty",
        _UNSUPPORTED: "this server does not do it; {remedy}",
    }
)
"""What is wrong, by pydantic's name of it; in braces, what pydantic tells with it."""

_ELSE = "it is not what this parameter takes"


def invalid_body(
    errors: Sequence[Mapping[str, object]], *, content_type: str
) -> Problem:
    """Return what the client gets for a body that is not what the route takes.

    Args:
        errors: What pydantic found; one is reported, without the input.
        content_type: The header of that name; without one, a body is read as JSON.
    """
    first = errors[0] if errors else {"loc": ("body",)}
    if _place(first) == ("body",) and not _is_json(content_type):
        return _NOT_JSON
    parameter, subject, message = "", "the request", "its body is not a JSON object"
    if first.get("type") == "json_invalid":
        message = f"its body is not JSON, from character {_character(first)} on"
    elif len(_place(first)) > 1:
        error = _deepest(errors)
        parameter = str(_steps(error)[0])
        subject, message = _place_and_fault(error)
    is_unsupported = first.get("type") == _UNSUPPORTED
    return Problem(
        status=_INVALID_STATUS,
        kind=_INVALID,
        code=_UNSUPPORTED if is_unsupported else "invalid_value",
        message=f"{subject}: {message}. The page /docs lists what each route takes.",
        parameter=parameter,
        refusal=Refusal.INVALID,
    )


def _place(error: Mapping[str, object]) -> tuple[str | int, ...]:
    """Return where an error is: the body, a parameter, and what is in it."""
    place = error["loc"]
    return place if isinstance(place, tuple) else ()


def _deepest(errors: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """Return the error of a parameter that is furthest in it.

    Of the forms that a parameter may have, that is the one which the client meant.
    """
    parameter = _place(errors[0])[:2]
    of_it = [each for each in errors if _place(each)[:2] == parameter]
    return max(of_it, key=lambda error: len(_steps(error)))


def _steps(error: Mapping[str, object]) -> list[str | int]:
    """Return the way to an error, without the names of forms that were tried."""
    return [
        part
        for part in _place(error)[1:]
        if isinstance(part, int)
        or (_FIELD.fullmatch(part) and not _is_prompt_form(error, part))
    ]


def _is_prompt_form(error: Mapping[str, object], part: str | int) -> bool:
    """Return whether a part of a place names a form of the prompt."""
    return part in _PROMPT_FORMS and _place(error)[1] == "prompt"


def _place_and_fault(error: Mapping[str, object]) -> tuple[str, str]:
    """Return where an error is, and what is wrong there, with what is allowed.

    A place is spelt as programs do, such as ``messages[0].role``.
    """
    kind, steps = str(error.get("type")), _steps(error)
    spelt = [f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps]
    path = "".join(spelt).removeprefix(".")
    if kind in _WRONG_FORM:
        # The prompt of /infill is a text, and has no other form.
        if any(_is_prompt_form(error, part) for part in _place(error)):
            return "prompt", _FORMS["prompt"]
        if steps[-1] in _FORMS and steps[-1] != "prompt":
            return path, _FORMS[str(steps[-1])]
    context = error.get("ctx")
    values = dict(context) if isinstance(context, Mapping) else {}
    if kind in {"too_long", "too_short"} and values.get("field_type") == "Value":
        kind = f"string_{kind}"
    for name, value in values.items():
        if isinstance(value, float) and value.is_integer():
            values[name] = int(value)
    return path, _WORDS.get(kind, _ELSE).format(**values)


def _character(error: Mapping[str, object]) -> int:
    """Return which character of a body, counted from 1, cannot be read."""
    last = _place(error)[-1]
    return last + 1 if isinstance(last, int) else 1


def _is_json(content_type: str) -> bool:
    """Return whether a content type is one of JSON; as none at all is taken to be."""
    kind = content_type.partition(";")[0].strip().lower()
    return not kind or _JSON.fullmatch(kind) is not None
