"""What a source of models must be able to do, whichever protocol it speaks."""

import json
from http.client import HTTPException
from types import TracebackType
from typing import Protocol

from lsp_server.errors import PullError

__all__ = ["Body", "Transport", "decode", "read", "read_json"]

_LARGEST_JSON_BYTES = 16 * 1024 * 1024


class Body(Protocol):
    """Content that comes piece by piece; leaving its context gives it up."""

    def __enter__(self) -> object:
        """Begin to read."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> object:
        """Let go of the connection."""
        ...

    def read(self, amount: int, /) -> bytes:
        """Give at most ``amount`` bytes; none at the end.

        Raises:
            OSError: The network broke.
            HTTPException: The answer broke off.
        """
        ...


class Transport(Protocol):
    """Reads allowed addresses."""

    def open(self, address: str, *, start: int = 0) -> tuple[Body, int]:
        """Begin to read.

        Args:
            address: What to read.
            start: The first byte that is wanted.

        Returns:
            The content, and the byte that it begins with: 0 where the source does
            not know ranges.

        Raises:
            PullError: The address is not allowed, or the source does not answer.
        """
        ...

    def address_of(self, base: str, name: str) -> str:
        """Give the address of a file in the folder ``base``."""
        ...


def read(transport: Transport, address: str) -> bytes:
    """Read a small document.

    Raises:
        PullError: It cannot be read, or is too large.
    """
    body, _ = transport.open(address)
    content = bytearray()
    with body:
        try:
            while chunk := body.read(_LARGEST_JSON_BYTES + 1 - len(content)):
                content += chunk
        except (OSError, HTTPException) as exc:
            raise PullError(
                f"the answer broke off ({str(exc) or type(exc).__name__})",
                subject=address,
                remedy="Try again",
            ) from exc
    if len(content) > _LARGEST_JSON_BYTES:
        raise PullError(
            f"the answer is larger than {_LARGEST_JSON_BYTES:,} bytes",
            subject=address,
            remedy="Check that the address is that of a model",
        )
    return bytes(content)


def read_json(transport: Transport, address: str) -> object:
    """Read a small JSON document.

    Raises:
        PullError: It cannot be read, is too large, or is not JSON.
    """
    return decode(address, read(transport, address))


def decode(address: str, content: bytes) -> object:
    """Decode JSON that came from ``address``.

    Raises:
        PullError: It is not JSON.
    """
    try:
        decoded: object = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise PullError(
            "the answer is not JSON",
            subject=address,
            remedy="Check that the address is that of a model",
        ) from exc
    return decoded
