"""Connects to an S3-compatible store, and reports what it refuses.

Endpoint, region and credentials are those of the AWS environment variables and
configuration files, never of the command line. Nothing here logs.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, Protocol, TypedDict, cast

from lsp_server.errors import PullError
from lsp_server.modelstore.registry.allow_list import AllowList

__all__ = ["SCHEME", "Client", "Stream", "connect", "is_missing", "translated"]

SCHEME = "s3://"

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_REFUSED = frozenset({401, 403})
_MISSING = frozenset({"NoSuchKey", "404"})
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


class Stream(Protocol):
    """An answer's body, as urllib3 reads it."""

    def read1(self, amount: int, /) -> bytes:
        """Return what comes next, at most so many bytes."""
        ...


class _Answer(TypedDict):
    """The part of botocore's answer to a read that is used."""

    Body: AbstractContextManager[Stream]
    ContentLength: int
    ResponseMetadata: Mapping[str, object]


class _Head(TypedDict):
    """The part of botocore's description of an object that is used."""

    ContentLength: int
    Metadata: Mapping[str, str]


class Client(Protocol):
    """The calls that are made of boto3's client."""

    # ruff: noqa: D102, N803 - boto3's own names, which its documentation describes
    def get_object(self, *, Bucket: str, Key: str, Range: str = ...) -> _Answer: ...
    def head_object(self, *, Bucket: str, Key: str) -> _Head: ...
    def put_object(
        self, *, Bucket: str, Key: str, Body: bytes, Metadata: Mapping[str, str]
    ) -> object: ...
    def delete_object(self, *, Bucket: str, Key: str) -> object: ...
    def upload_fileobj(
        self,
        Fileobj: BinaryIO,
        Bucket: str,
        Key: str,
        *,
        ExtraArgs: Mapping[str, object],
        Callback: Callable[[int], None],
    ) -> None: ...


def connect(allowed: AllowList, timeout_s: float) -> Client:
    """Return a client that asks allowed hosts alone.

    Args:
        allowed: Those hosts.
        timeout_s: Longest silence, in seconds.

    Raises:
        PullError: boto3 is not installed, or the AWS settings cannot be used.
    """
    try:
        # Few pull from a store, and boto3 takes long to import.
        import boto3
        import botocore.config
        import botocore.session
    except ImportError as exc:
        raise PullError(
            "it is needed for a store, and is not installed",
            subject="boto3",
            remedy="Install it with `make install-s3`, or outside of a checkout with "
            "`python -m pip install 'midfill[s3]'`",
        ) from exc

    def check(request: _Request, **_: object) -> None:
        allowed.require(request.url)

    with translated(SCHEME):
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
                request_checksum_calculation="when_required",
                # The store refuses what changed on the way to it.
                s3={"payload_signing_enabled": True},
            ),
        )
        # Also where a store sends its client on to another region's host.
        client.meta.events.register("before-send.s3", check)
        return cast("Client", client)


@contextmanager
def translated(address: str) -> Iterator[None]:
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


def is_missing(exc: BaseException | None) -> bool:
    """Return whether botocore's exception says that there is no such object."""
    match getattr(exc, "response", None):
        case {"Error": {"Code": str(code)}}:
            return code in _MISSING
    return False


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
    if code == "InvalidRange":
        return PullError(
            "it is shorter than its manifest says (InvalidRange)",
            subject=address,
            remedy="Push the model again: an upload has broken off",
        )
    if status in _REFUSED or code in _BAD_CREDENTIALS:
        return PullError(
            f"the store refuses these credentials ({reason})",
            subject=address,
            remedy=f"Check {_HOW}, and that they may read the bucket, or write to it "
            "where a model is pushed",
        )
    return PullError(
        f"the store answered with {reason}",
        subject=address,
        remedy="Check the AWS settings, or try again later; what is there stays",
    )
