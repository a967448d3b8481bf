"""Errors of an engine as values, for engines that work in another process.

An exception of Midfill's does not survive being pickled, and one of vLLM's needs vLLM
to be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lsp_server.errors import (
    DeadlinePassedError,
    EngineDeadError,
    EngineError,
    GenerationError,
    OverloadedError,
    RequestRejectedError,
    UserOverloadedError,
)

__all__ = ["Failure"]

_KINDS: Mapping[str, type[EngineError]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            DeadlinePassedError,
            EngineDeadError,
            GenerationError,
            OverloadedError,
            RequestRejectedError,
            UserOverloadedError,
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error of an engine's.

    Attributes:
        kind: The name of its class.
        what: What happened.
        subject: What it happened to.
        remedy: What to do about it.
        retry_after_s: When to try again, where it was overloaded.
    """

    kind: str
    what: str
    subject: str
    remedy: str
    retry_after_s: float = 0.0

    @classmethod
    def of(cls, error: EngineError) -> "Failure":
        """Describe an error; one of an unknown kind is a `GenerationError`."""
        known = (each for each in type(error).__mro__ if each.__name__ in _KINDS)
        return cls(
            kind=next(known, GenerationError).__name__,
            what=error.what,
            subject=error.subject,
            remedy=error.remedy,
            retry_after_s=getattr(error, "retry_after_s", 0.0),
        )

    def error(self) -> EngineError:
        """Return the error that this describes."""
        kind = _KINDS.get(self.kind, GenerationError)
        if issubclass(kind, OverloadedError):
            return kind(
                self.what,
                subject=self.subject,
                remedy=self.remedy,
                retry_after_s=self.retry_after_s,
            )
        return kind(self.what, subject=self.subject, remedy=self.remedy)
