"""What ingress and replicas send each other: requests, tokens and errors as values."""

import hashlib
import hmac
from dataclasses import dataclass

from lsp_server.engine.failure import Failure
from lsp_server.engine_values import EngineInfo
from lsp_server.modelstore.manifest import Manifest
from lsp_server.values import GenerationRequest, TokenDelta

__all__ = ["Batch", "Call", "Description", "fingerprint_of", "session_of"]

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
