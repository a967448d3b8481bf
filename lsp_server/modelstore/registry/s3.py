"""Reads buckets of S3-compatible stores, none outside of the list of allowed ones.

Endpoint, region and credentials are those of the AWS environment variables and
configuration files, so that they stand on no command line. Nothing here logs.
"""

import re
from collections.abc import Mapping
from http.client import IncompleteRead
from types import TracebackType
from typing import Protocol, Self, TypedDict, cast

from lsp_server.errors import PullError
from lsp_server.modelstore.registry.s3_faults import translated
from lsp_server.modelstore.registry.sources import AllowList
from lsp_server.modelstore.registry.transport import Body

__all__ = ["S3"]

_SCHEME = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PARTIAL = 206
_LOCAL_PROVIDERS = frozenset(
    {"env", "shared-credentials-file", "config-file", "custom-process"}
)
"""Botocore's names of what finds credentials without asking anybody on a network."""


class _Request(Protocol):
    """What is about to be sent."""

    @property
    def url(self) -> str: ...


class _Stream(Protocol):
    """Botocore's ``StreamingBody``."""

    def read(self, amount: int, /) -> bytes: ...

    def close(self) -> None: ...


class _Answer(TypedDict):
    """The part of botocore's answer that is used."""

    Body: _Stream
    ResponseMetadata: Mapping[str, object]


class _Client(Protocol):
    """The one call that is made."""

    def get_object(self, *, Bucket: str, Key: str, Range: str = ...) -> _Answer: ...  # noqa: N803 - boto3's own names


class S3:
    """The buckets that are allowed, at the store that is allowed.

    Args:
        allowed: Which buckets, and which hosts serve them.
        timeout_s: Longest silence.

    Raises:
        PullError: boto3 is not installed, or the AWS settings cannot be used.
    """

    def __init__(self, allowed: AllowList, *, timeout_s: float = 60.0) -> None:
        """Read the AWS settings, and connect to nothing yet."""
        self._allowed = allowed
        self._client = _client(allowed, timeout_s)

    def open(self, address: str, *, start: int = 0) -> tuple[Body, int]:
        """Begin to read.

        Args:
            address: Bucket and key, as ``s3://bucket/key``.
            start: The first byte that is wanted.

        Returns:
            The content, and the byte that it begins with: 0 from a store that does
            not know ranges.

        Raises:
            PullError: The address is not allowed, or the store does not answer.
        """
        bucket, key = _parts(address)
        self._allowed.require(f"{_SCHEME}{bucket}")
        with translated(address):
            if start:
                answer = self._client.get_object(
                    Bucket=bucket, Key=key, Range=f"bytes={start}-"
                )
            else:
                answer = self._client.get_object(Bucket=bucket, Key=key)
        is_part = answer["ResponseMetadata"].get("HTTPStatusCode") == _PARTIAL
        return _Body(answer["Body"]), start if is_part else 0

    def address_of(self, base: str, name: str) -> str:
        """Give the address of an object below ``base``; keys are not quoted."""
        return f"{base}/{name}"


class _Body:
    """An object's content, which breaks off as that of the web does."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def read(self, amount: int, /) -> bytes:
        from botocore.exceptions import BotoCoreError, HTTPClientError

        try:
            return self._stream.read(amount)
        except (BotoCoreError, HTTPClientError) as exc:
            raise IncompleteRead(b"") from exc


def _parts(address: str) -> tuple[str, str]:
    """Split an address into bucket and key."""
    bucket, _, key = address.removeprefix(_SCHEME).partition("/")
    if not address.startswith(_SCHEME) or not _BUCKET.fullmatch(bucket):
        raise PullError(
            "this is no address of a bucket",
            # Not the address: somebody may have written a key into it.
            subject=_SCHEME,
            remedy="Write s3://BUCKET/FOLDER; endpoint, region and credentials come "
            "from the AWS environment variables or configuration files",
        )
    return bucket, key


def _client(allowed: AllowList, timeout_s: float) -> _Client:
    """Make a client that asks allowed hosts alone."""
    try:
        # Few pull from a store, and boto3 takes long to import.
        import boto3
        import botocore.config
        import botocore.session
    except ImportError as exc:
        raise PullError(
            "it is needed to read from a store, and is not installed",
            subject="boto3",
            remedy="Install it with `make install-s3`, or outside of a checkout with "
            "`python -m pip install 'midfill[s3]'`",
        ) from exc

    def check(request: _Request, **_: object) -> None:
        allowed.require(request.url)

    with translated(_SCHEME):
        session = botocore.session.get_session()
        chain = session.get_component("credential_provider")
        for provider in list(chain.providers):
            if provider.METHOD not in _LOCAL_PROVIDERS:
                chain.remove(provider.METHOD)
        client = boto3.Session(botocore_session=session).client(
            "s3",
            config=botocore.config.Config(
                connect_timeout=timeout_s,
                read_timeout=timeout_s,
                # Many stores send other checksums or none; SHA-256 is checked anyway.
                response_checksum_validation="when_required",
            ),
        )
        # Also where a store sends its client on to another region's host.
        client.meta.events.register("before-send.s3", check)
        return cast("_Client", client)
