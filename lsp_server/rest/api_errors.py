"""Errors of the REST API, in OpenAI's shape: what happened, and what to do about it.

No message holds text of the client's, not even what was wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from lsp_server.errors import (
    ConfigError,
    DeadlinePassedError,
    EngineDeadError,
    EngineStartError,
    MidfillError,
    NotAllowedError,
    NotAuthenticatedError,
    OverloadedError,
    PromptError,
    PromptTooLongError,
    QuotaError,
    RequestRejectedError,
    UserOverloadedError,
)
from lsp_server.metrics import Refusal

__all__ = ["ApiError", "Problem", "problem_of"]

_NOT_READY_RETRY_S = 5


class ApiError(MidfillError):
    """A request that the REST API refuses by itself.

    Args:
        what: What happened, as a clause without a full stop.
        subject: The parameter, or "the request".
        remedy: What the client can do about it, as a clause without a full stop.
        status: The HTTP status.
        code: OpenAI's name of the problem.
    """

    def __init__(
        self,
        what: str,
        *,
        subject: str = "the request",
        remedy: str,
        status: int = 400,
        code: str = "invalid_value",
    ) -> None:
        """Keep the parts."""
        super().__init__(what, subject=subject, remedy=remedy)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as the client gets it.

    Attributes:
        status: The HTTP status.
        kind: OpenAI's kind of errors.
        code: OpenAI's name of the problem.
        message: What happened, and what to do.
        parameter: The parameter that it is about; empty where it is about none.
        refusal: What metrics count it as; None for what failed, and was not refused.
        retry_after_s: When to try again, in seconds; 0 is not to.
    """

    status: int
    kind: str
    code: str
    message: str
    parameter: str = ""
    refusal: Refusal | None = None
    retry_after_s: float = 0

    @property
    def body(self) -> Mapping[str, object]:
        """The JSON that OpenAI's clients read."""
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.parameter or None,
                "code": self.code,
            }
        }

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that go with it."""
        headers: dict[str, str] = {}
        if self.retry_after_s:
            headers["retry-after"] = str(math.ceil(self.retry_after_s))
        if self.status == _Status.UNAUTHENTICATED:
            headers["www-authenticate"] = "Bearer"
        return headers


class _Status:
    """HTTP's numbers, by what they mean here."""

    INVALID = 400
    UNAUTHENTICATED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    QUOTA = 429
    FAILED = 500
    UNAVAILABLE = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """How an error of Midfill's reaches the client."""

    status: int
    kind: str
    code: str
    parameter: str = ""
    refusal: Refusal | None = field(default=None)
    retry_after_s: float = 0


_INVALID = "invalid_request_error"
_SERVER = "server_error"

_RULES: Mapping[type[MidfillError], _Rule] = MappingProxyType(
    {
        NotAuthenticatedError: _Rule(
            status=_Status.UNAUTHENTICATED,
            kind=_INVALID,
            code="invalid_api_key",
            refusal=Refusal.UNAUTHORISED,
        ),
        NotAllowedError: _Rule(
            status=_Status.FORBIDDEN,
            kind="permission_error",
            code="not_allowed",
            refusal=Refusal.FORBIDDEN,
        ),
        QuotaError: _Rule(
            status=_Status.QUOTA,
            kind="rate_limit_error",
            code="rate_limit_exceeded",
            refusal=Refusal.QUOTA,
        ),
        UserOverloadedError: _Rule(
            status=_Status.QUOTA,
            kind="rate_limit_error",
            code="too_many_waiting",
            refusal=Refusal.QUOTA,
        ),
        DeadlinePassedError: _Rule(
            status=_Status.UNAVAILABLE,
            kind=_SERVER,
            code="overloaded",
            refusal=Refusal.LATE,
        ),
        OverloadedError: _Rule(
            status=_Status.UNAVAILABLE,
            kind=_SERVER,
            code="overloaded",
            refusal=Refusal.OVERLOADED,
        ),
        PromptTooLongError: _Rule(
            status=_Status.INVALID,
            kind=_INVALID,
            code="context_length_exceeded",
            parameter="prompt",
            refusal=Refusal.INVALID,
        ),
        PromptError: _Rule(
            status=_Status.INVALID,
            kind=_INVALID,
            code="invalid_prompt",
            parameter="prompt",
            refusal=Refusal.INVALID,
        ),
        ConfigError: _Rule(
            status=_Status.INVALID,
            kind=_INVALID,
            code="invalid_value",
            refusal=Refusal.INVALID,
        ),
        RequestRejectedError: _Rule(
            status=_Status.INVALID,
            kind=_INVALID,
            code="invalid_value",
            refusal=Refusal.INVALID,
        ),
        EngineDeadError: _Rule(
            status=_Status.UNAVAILABLE,
            kind=_SERVER,
            code="not_ready",
            refusal=Refusal.NOT_READY,
            retry_after_s=_NOT_READY_RETRY_S,
        ),
        EngineStartError: _Rule(
            status=_Status.UNAVAILABLE,
            kind=_SERVER,
            code="model_failed",
            refusal=Refusal.NOT_READY,
        ),
        MidfillError: _Rule(
            status=_Status.FAILED, kind=_SERVER, code="generation_failed"
        ),
    }
)


def problem_of(error: Exception) -> Problem:
    """Return what the client gets for an error."""
    if isinstance(error, ApiError):
        return _of_api(error)
    if not isinstance(error, MidfillError):
        return Problem(
            status=_Status.FAILED,
            kind=_SERVER,
            code="internal_error",
            message="The server failed at this request. Its log has the cause, under "
            "the id in the header x-request-id.",
        )
    kind = next(each for each in type(error).__mro__ if each in _RULES)
    rule = _RULES[kind]
    return Problem(
        status=rule.status,
        kind=rule.kind,
        code=rule.code,
        message=str(error),
        parameter=rule.parameter,
        refusal=rule.refusal,
        retry_after_s=getattr(error, "retry_after_s", rule.retry_after_s),
    )


def _of_api(error: ApiError) -> Problem:
    refusal = Refusal.INVALID
    if error.status == _Status.NOT_FOUND:
        refusal = Refusal.NOT_FOUND
    return Problem(
        status=error.status,
        kind=_INVALID,
        code=error.code,
        message=str(error),
        parameter="" if error.subject == "the request" else error.subject,
        refusal=refusal,
    )
