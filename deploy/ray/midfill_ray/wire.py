"""What ingress and replicas send each other: requests, tokens and errors as values.

Errors are values here: an exception of Midfill's does not survive being pickled, and
one of vLLM's needs vLLM to be read.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lsp_server.engine_values import EngineInfo
from lsp_server.errors import (
    DeadlinePassedError,
    EngineDeadError,
    EngineError,
    GenerationError,
    OverloadedError,
    RequestRejectedError,
    UserOverloadedError,
)
from lsp_server.modelstore.manifest import Manifest
from lsp_server.values import GenerationRequest, TokenDelta

__all__ = ["Batch", "Call", "Description", "Failure", "fingerprint_of", "session_of"]

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
_SESSION_DIGITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the ingress has to know of a replica.

    Attributes:
        model: The model's name.
        fingerprint: Which files the model is; see `fingerprint_of`.
        engine: The engine's identity.
    """

    model: str
    fingerprint: str
    engine: EngineInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request for tokens.

    Attributes:
        request: The request, without a document, and without a deadline: clocks of
            two machines are not the same.
        left_s: For how many seconds it is worth being scheduled; None for ever.
        fingerprint: The model that its tokens are of.
    """

    request: GenerationRequest
    left_s: float | None
    fingerprint: str


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


Batch = tuple[TokenDelta, ...] | Failure
"""What came of a request since the last batch; a failure is the last one."""


def fingerprint_of(manifest: Manifest) -> str:
    """Return what is the same for two model folders only if all their files are."""
    lines = (f"{name} {entry.sha256}\n" for name, entry in manifest.files.items())
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def session_of(secret: bytes, request: GenerationRequest) -> str:
    """Return the key by which a document's requests stay on one replica.

    It is written into Ray's logs, so it is keyed: nobody can find a document's name, or
    whose it is, by trying names out.

    Args:
        secret: The deployment's.
        request: Names tenant (its salt), user and document.
    """
    parts = (request.cache_salt, request.user, request.document)
    message = "".join(f"{len(part)}:{part}" for part in parts)
    digest = hmac.new(secret, message.encode(), hashlib.sha256).hexdigest()
    return digest[:_SESSION_DIGITS]
