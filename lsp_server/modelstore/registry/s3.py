"""Reads and writes allowed buckets of S3-compatible stores.

What is written carries its SHA-256 with it, so that it is known without being read.
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lsp_server.errors import BrokenOffError, PullError
from lsp_server.modelstore.manifest import FileEntry
from lsp_server.modelstore.registry.allow_list import AllowList
from lsp_server.modelstore.registry.s3_client import (
    SCHEME,
    Stream,
    connect,
    is_missing,
    translated,
)
from lsp_server.modelstore.registry.transport import (
    Content,
    Progress,
    paced,
    read,
)

__all__ = ["S3"]

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PARTIAL = 206
_CHUNK_BYTES = 1 << 20
_SHA256 = "midfill-sha256"


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
        self._timeout_s = timeout_s
        self._client = connect(allowed, timeout_s)

    @contextmanager
    def open(self, address: str, *, start: int = 0) -> Iterator[Content]:
        """Read ``s3://bucket/key`` while the context lasts; see `Transport`.

        Raises:
            PullError: The address is not allowed, or the store does not answer.
        """
        bucket, key = self._parts(address)
        with translated(address):
            if start:
                answer = self._client.get_object(
                    Bucket=bucket, Key=key, Range=f"bytes={start}-"
                )
            else:
                answer = self._client.get_object(Bucket=bucket, Key=key)
        is_part = answer["ResponseMetadata"].get("HTTPStatusCode") == _PARTIAL
        with answer["Body"] as stream:
            chunks = _chunks(address, stream, answer["ContentLength"])
            yield Content(
                start=start if is_part else 0,
                chunks=paced(chunks, address, self._timeout_s),
            )

    def address_of(self, base: str, name: str) -> str:
        """Return the address of an object below ``base``; keys are not quoted."""
        return f"{base}/{name}"

    def find(self, address: str) -> bytes | None:
        """Return a small object's content; None if the bucket has no such object.

        Raises:
            PullError: The address is not allowed, or the store does not answer.
        """
        try:
            return read(self, address)
        except PullError as exc:
            if is_missing(exc.__cause__):
                return None
            raise

    def stored(self, address: str) -> FileEntry | None:
        """Return size and SHA-256 of an object that `upload` has written.

        Returns:
            None if the bucket has no such object, or something else has written it.

        Raises:
            PullError: The address is not allowed, or the store does not answer.
        """
        bucket, key = self._parts(address)
        try:
            with translated(address):
                head = self._client.head_object(Bucket=bucket, Key=key)
        except PullError as exc:
            if is_missing(exc.__cause__):
                return None
            raise
        sha256 = head["Metadata"].get(_SHA256, "")
        return FileEntry(sha256=sha256, bytes=head["ContentLength"])

    def upload(
        self, path: Path, address: str, entry: FileEntry, progress: Progress
    ) -> None:
        """Write a file to the store, in parts where it is large: whole or not at all.

        Raises:
            PullError: The address is not allowed, or the store does not take it.
            OSError: The file cannot be read.
        """
        bucket, key = self._parts(address)
        lock, done = threading.Lock(), 0

        def sent(count: int) -> None:
            nonlocal done
            # Parts are sent by several threads; a part that is sent again counts back.
            with lock:
                done += count
                progress(path.name, done, entry.bytes)

        with path.open("rb") as file, translated(address):
            self._client.upload_fileobj(
                file,
                bucket,
                key,
                ExtraArgs={"Metadata": {_SHA256: entry.sha256}},
                Callback=sent,
            )

    def put(self, address: str, content: bytes) -> None:
        """Write a small object.

        Raises:
            PullError: The address is not allowed, or the store does not take it.
        """
        bucket, key = self._parts(address)
        sha256 = hashlib.sha256(content).hexdigest()
        with translated(address):
            self._client.put_object(
                Bucket=bucket, Key=key, Body=content, Metadata={_SHA256: sha256}
            )

    def remove(self, address: str) -> None:
        """Remove an object; one that is not there is no error.

        Raises:
            PullError: The address is not allowed, or the store refuses.
        """
        bucket, key = self._parts(address)
        with translated(address):
            self._client.delete_object(Bucket=bucket, Key=key)

    def _parts(self, address: str) -> tuple[str, str]:
        """Split an allowed address into bucket and key.

        Raises:
            PullError: It is none, or not allowed.
        """
        bucket, _, key = address.removeprefix(SCHEME).partition("/")
        if not address.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
            raise PullError(
                "this is no address of a bucket",
                # Not the address: somebody may have written a key into it.
                subject=SCHEME,
                remedy="Write s3://BUCKET/FOLDER, the bucket's name in 3 to 63 small "
                "letters, digits, dots and hyphens; endpoint, region and credentials "
                "come from the AWS environment variables or configuration files",
            )
        self._allowed.require(f"{SCHEME}{bucket}")
        return bucket, key


def _chunks(address: str, stream: Stream, length: int) -> Iterator[bytes]:
    """Yield what arrives, as it arrives.

    Raises:
        BrokenOffError: Less arrived than was announced.
    """
    from urllib3.exceptions import HTTPError

    try:
        while chunk := stream.read1(_CHUNK_BYTES):
            length -= len(chunk)
            yield chunk
    except HTTPError as exc:
        raise _broken_off(address, type(exc).__name__) from exc
    if length > 0:
        raise _broken_off(address, f"{length:,} bytes are missing")


def _broken_off(address: str, why: str) -> BrokenOffError:
    return BrokenOffError(
        f"the answer broke off ({why})", subject=address, remedy="Try again"
    )
