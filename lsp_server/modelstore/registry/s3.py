"""Reads allowed buckets of S3-compatible stores.

Endpoint, region and credentials are those of the AWS environment variables and
configuration files, never of the command line. Nothing here logs.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Protocol, TypedDict, cast

from lsp_server.errors import BrokenOffError, PullError
from lsp_server.modelstore.registry.transport import AllowList, Content

__all__ = ["S3"]

_SCHEME = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PARTIAL = 206
_CHUNK_BYTES = 1 << 20
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_REFUSED = frozenset({401, 403})
_BAD_CREDENTIALS = frozenset(
    {"ExpiredToken", "InvalidToken", "RequestExpired", "TokenRefreshRequired"}
)
_HOW = (
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with a profile of "
    "~/.aws"
)
_LOCAL_PROVIDERS = frozenset(
    {"env", "shared-credentials-file", "config-file", "custom-process"}
)
"""Botocore's names of the ways to find credentials that use no network."""


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
        timeout_s: Longest silence, in seconds.

    Raises:
        PullError: boto3 is not installed, or the AWS settings cannot be used.
    """

    def __init__(self, allowed: AllowList, *, timeout_s: float = 60.0) -> None:
        self._allowed = allowed
        self._client = _client(allowed, timeout_s)

    @contextmanager
    def open(self, address: str, *, start: int = 0) -> Iterator[Content]:
        """Read ``s3://bucket/key`` while the context lasts; see `Transport`.

        Raises:
            PullError: The address is not allowed, or the store does not answer.
        """
        bucket, key = _parts(address)
        self._allowed.require(f"{_SCHEME}{bucket}")
        with _translated(address):
            if start:
                answer = self._client.get_object(
                    Bucket=bucket, Key=key, Range=f"bytes={start}-"
                )
            else:
                answer = self._client.get_object(Bucket=bucket, Key=key)
        is_part = answer["ResponseMetadata"].get("HTTPStatusCode") == _PARTIAL
        with closing(answer["Body"]) as stream:
            yield Content(
                start=start if is_part else 0, chunks=_chunks(address, stream)
            )

    def address_of(self, base: str, name: str) -> str:
        """Return the address of an object below ``base``; keys are not quoted."""
        return f"{base}/{name}"


def _chunks(address: str, stream: _Stream) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError, HTTPClientError

    try:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
    except (BotoCoreError, HTTPClientError) as exc:
        raise BrokenOffError(
            f"the answer broke off ({type(exc).__name__})",
            subject=address,
            remedy="Try again",
        ) from exc


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
    """Return a client that asks allowed hosts alone."""
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

    with _translated(_SCHEME):
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


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """Turn botocore's exceptions into errors that hold no secret.

    Botocore's own messages can quote an endpoint with a password in it, or what the
    store sent; only codes and the names of exceptions are taken over.

    Raises:
        PullError: Botocore failed.
    """
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as exc:
        raise _refused(address, exc.response) from exc
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
    ) as exc:
        raise PullError(
            f"there are no credentials for it ({type(exc).__name__})",
            subject=address,
            remedy=f"Set {_HOW}; those of a role or a login come with "
            "`aws configure export-credentials --format env`",
        ) from exc
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as exc:
        raise PullError(
            f"the store cannot be reached ({type(exc).__name__})",
            subject=address,
            remedy="Check AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL and the network, and "
            "try again; what is there stays",
        ) from exc
    # Botocore raises ValueError for an endpoint that is no address.
    except (exceptions.BotoCoreError, ValueError) as exc:
        raise PullError(
            f"the AWS settings cannot be used ({type(exc).__name__})",
            subject=address,
            remedy="Check the AWS_ environment variables and the files in ~/.aws",
        ) from exc


def _refused(address: str, response: Mapping[str, object]) -> PullError:
    """Return the error for an answer that is not the object."""
    match response:
        case {"Error": {"Code": str(code)}, "ResponseMetadata": metadata}:
            pass
        case _:
            code, metadata = "", {}
    match metadata:
        case {"HTTPStatusCode": int(status)}:
            pass
        case _:
            status = 0
    reason = code if _CODE.fullmatch(code) else f"status {status}"
    if code == "NoSuchBucket":
        return PullError(
            "the store has no such bucket",
            subject=address,
            remedy="Check the bucket's name, and AWS_ENDPOINT_URL_S3 for the store",
        )
    if code == "NoSuchKey":
        return PullError(
            "the bucket has no such object",
            subject=address,
            remedy="Check that the address is that of a folder with a manifest.json",
        )
    if status in _REFUSED or code in _BAD_CREDENTIALS:
        return PullError(
            f"the store refuses these credentials ({reason})",
            subject=address,
            remedy=f"Check {_HOW}, and that they may read the bucket",
        )
    return PullError(
        f"the store answered with {reason}",
        subject=address,
        remedy="Check the AWS settings, or try again later; what is there stays",
    )
