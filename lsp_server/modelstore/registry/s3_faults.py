"""Turns botocore's exceptions into sentences that hold no secret.

Botocore's own messages can quote an endpoint with a password in it, or what the store
sent; only codes and the names of exceptions are taken over.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lsp_server.errors import PullError

__all__ = ["translated"]

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_REFUSED = frozenset({401, 403})
_BAD_CREDENTIALS = frozenset(
    {"ExpiredToken", "InvalidToken", "RequestExpired", "TokenRefreshRequired"}
)
_HOW = (
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with a profile of "
    "~/.aws"
)


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Tell what botocore raises inside as what happened to ``address``.

    Raises:
        PullError: Whatever botocore could not do.
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
    """Tell an answer that is not the object."""
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
    told = code if _CODE.fullmatch(code) else f"status {status}"
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
            f"the store refuses these credentials ({told})",
            subject=address,
            remedy=f"Check {_HOW}, and that they may read the bucket",
        )
    return PullError(
        f"the store answered with {told}",
        subject=address,
        remedy="Check the AWS settings, or try again later; what is there stays",
    )
