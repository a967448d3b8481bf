"""The limits of keys, counted once for all front ends: in the engine's process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lsp_server.access.keys import Key, KeyLimits
from lsp_server.access.limiter import Charge, Limiter
from lsp_server.daemon.front_ends.link import Link, Stream
from lsp_server.errors import QuotaError

__all__ = [
    "AdmissionWanted",
    "CheckWanted",
    "SharedLimits",
    "serve_admission",
    "serve_check",
]

_NO_LIMITS = KeyLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckWanted:
    """Asks whether a key's limits would allow the smallest request.

    Attributes:
        key: The key.
    """

    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionWanted:
    """Asks whether a key's limits allow a request.

    Attributes:
        key: Whose request it is.
        tokens: The most tokens that it may take.
    """

    key: Key
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """A `QuotaError` as a value; the attributes are its own."""

    what: str
    subject: str
    remedy: str
    retry_after_s: float

    @classmethod
    def of(cls, error: QuotaError) -> "_Refusal":
        """Describe an error."""
        return cls(
            what=error.what,
            subject=error.subject,
            remedy=error.remedy,
            retry_after_s=error.retry_after_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Granted:
    """The request may run, until its stream ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """What the request really took, as `Charge.settle` is told."""

    tokens: int


async def serve_admission(
    limiter: Limiter, wanted: AdmissionWanted, stream: Stream
) -> None:
    """Let a front end's request run while its stream lasts, or refuse it."""
    try:
        async with limiter.admit(wanted.key, wanted.tokens) as charge:
            stream.send(_Granted())
            async for value in stream:
                if isinstance(value, _Settled):
                    charge.settle(value.tokens)
    except QuotaError as error:
        stream.send(_Refusal.of(error))


async def serve_check(limiter: Limiter, wanted: CheckWanted, stream: Stream) -> None:
    """Tell a front end whether a key has used up its share."""
    try:
        await limiter.check(wanted.key)
        stream.send(_Granted())
    except QuotaError as error:
        stream.send(_Refusal.of(error))


class SharedLimits:
    """`Limits` that the engine's process holds every key to.

    Args:
        link: The link to it.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    async def check(self, key: Key) -> None:
        """Refuse what `admit` would refuse; it counts nothing.

        Raises:
            QuotaError: A limit is reached; it says when to try again.
            EngineDeadError: The engine's process has gone.
        """
        if key.limits != _NO_LIMITS:
            stream = self._link.open(CheckWanted(key=key))
            try:
                await _granted(stream)
            finally:
                stream.end()

    @asynccontextmanager
    async def admit(self, key: Key, tokens: int) -> AsyncGenerator[Charge]:
        """Let a request run while the block does, if the key's limits allow it.

        Raises:
            QuotaError: A limit is reached; it says when to try again.
            EngineDeadError: The engine's process has gone.
        """
        if key.limits == _NO_LIMITS:
            yield _NoCharge()
            return
        stream = self._link.open(AdmissionWanted(key=key, tokens=tokens))
        try:
            await _granted(stream)
            yield _ChargedElsewhere(stream)
        finally:
            # Not cancelled: what was settled is to be read before.
            stream.end()


async def _granted(stream: Stream) -> None:
    """Wait for the answer.

    Raises:
        QuotaError: It is a refusal.
    """
    answer = await anext(stream, None)
    if isinstance(answer, _Refusal):
        raise QuotaError(
            answer.what,
            subject=answer.subject,
            remedy=answer.remedy,
            retry_after_s=answer.retry_after_s,
        )


class _ChargedElsewhere:
    """A `Charge` that the engine's process keeps.

    Args:
        stream: Takes what is to be charged.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def settle(self, tokens: int) -> None:
        """Charge what the request really took."""
        self._stream.send(_Settled(tokens=tokens))


class _NoCharge:
    """The `Charge` of a key without limits."""

    def settle(self, tokens: int) -> None:
        """Charge nothing."""
