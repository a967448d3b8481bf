"""Reads model files from allowed places, over the web or from a store."""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Protocol, TypeAlias
from urllib.parse import quote

from lsp_server.errors import BrokenOffError, PullError
from lsp_server.modelstore.registry.allow_list import AllowList, without_login
from lsp_server.operating_system import reason_of

# Most commands fetch nothing, and httpx takes long to import.
if TYPE_CHECKING:
    import httpx

__all__ = [
    "Content",
    "Progress",
    "Transport",
    "Web",
    "decode",
    "paced",
    "read",
]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with a file's name, the bytes that have passed, and its size in bytes."""

_MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
_SLOWEST_BYTES_PER_S = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of an address, as it arrives.

    Attributes:
        start: The byte of the whole that it begins with.
        chunks: The bytes; `BrokenOffError` if the source breaks off.
    """

    start: int
    chunks: Iterator[bytes]


class Transport(Protocol):
    """Reads allowed addresses."""

    def open(self, address: str, *, start: int = 0) -> AbstractContextManager[Content]:
        """Read an address while the context lasts.

        Args:
            address: What to read.
            start: The first byte that is wanted; a source that knows no ranges
                begins at 0 nevertheless.

        Raises:
            PullError: The address is not allowed, or the source does not answer.
        """
        ...

    def address_of(self, base: str, name: str) -> str:
        """Return the address of a file in the folder ``base``."""
        ...


class Web:
    """The allowed part of the web; proxies are those of the environment.

    Nothing is sent but the request: no login and no cookie.

    Args:
        allowed: Which addresses may be asked, redirects included.
        timeout_s: Longest silence, in seconds.
    """

    def __init__(self, allowed: AllowList, *, timeout_s: float = 60.0) -> None:
        self._allowed = allowed
        self._timeout_s = timeout_s
        # The system's certificates: a company's own ones are among them.
        self._certificates = ssl.create_default_context()

    @contextmanager
    def open(self, address: str, *, start: int = 0) -> Iterator[Content]:
        """Read an address while the context lasts; see `Transport`.

        Raises:
            PullError: The address is not allowed, or the server does not answer.
        """
        import httpx

        # Compressed, the bytes would not be those of the range and of the hash.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with self._client() as client:
            try:
                request = client.build_request("GET", address, headers=headers)
                response = client.send(request, stream=True)
            except (httpx.HTTPError, httpx.InvalidURL) as exc:
                is_address = isinstance(exc, httpx.HTTPError)
                raise PullError(
                    f"it cannot be reached ({reason_of(exc)})",
                    subject=address if is_address else without_login(address),
                    remedy="Check the network and try again; what is there stays",
                ) from exc
            try:
                if not response.is_success:
                    raise _refused(address, response.status_code)
                is_part = response.status_code == HTTPStatus.PARTIAL_CONTENT
                chunks = paced(_chunks(address, response), address, self._timeout_s)
                yield Content(start=start if is_part else 0, chunks=chunks)
            finally:
                response.close()

    def address_of(self, base: str, name: str) -> str:
        """Return the address of a file in the folder ``base``."""
        return f"{base}/{quote(name)}"

    def _client(self) -> "httpx.Client":
        import httpx

        try:
            return httpx.Client(
                event_hooks={"request": [self._check]},
                follow_redirects=True,
                timeout=self._timeout_s,
                verify=self._certificates,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        # A SOCKS proxy without its package, an unknown scheme, no address at all.
        except (ImportError, ValueError, httpx.InvalidURL) as exc:
            raise PullError(
                f"the proxy cannot be used ({type(exc).__name__})",
                subject="HTTPS_PROXY",
                remedy="Check the variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and "
                "NO_PROXY; a proxy is an http address",
            ) from exc

    def _check(self, request: "httpx.Request") -> None:
        """Check every request before it is sent, also that of a redirect."""
        address = str(request.url)
        self._allowed.require(address)
        if request.url.userinfo:
            raise PullError(
                "the address holds a name or a password",
                subject=without_login(address),
                remedy="Leave it out: nothing is fetched with a login",
            )


def read(transport: Transport, address: str) -> bytes:
    """Read a small document.

    Raises:
        PullError: It cannot be read, or is too large.
    """
    document = bytearray()
    with transport.open(address) as content:
        for chunk in content.chunks:
            document += chunk
            if len(document) > _MAX_DOCUMENT_BYTES:
                raise PullError(
                    f"the answer is larger than {_MAX_DOCUMENT_BYTES:,} bytes",
                    subject=address,
                    remedy="Check that the address is that of a model",
                )
    return bytes(document)


def paced(chunks: Iterator[bytes], address: str, within_s: float) -> Iterator[bytes]:
    """Yield chunks as they come; a trickle that never falls silent is an error.

    Args:
        chunks: The chunks.
        address: Where they come from.
        within_s: At least 1 KiB for each of so many seconds has to come in that time.

    Raises:
        PullError: Less came.
    """
    began_s, came = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        came += len(chunk)
        # What is done with a chunk, such as writing it to a disk, counts as well.
        passed_s = time.monotonic() - began_s
        if passed_s < within_s:
            continue
        if came < _SLOWEST_BYTES_PER_S * within_s:
            raise PullError(
                f"the source is too slow: {came:,} bytes in {passed_s:,.0f} s",
                subject=address,
                remedy="Pull again when the source or the network has recovered: it "
                "goes on where it stopped",
            )
        began_s, came = time.monotonic(), 0


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


def _chunks(address: str, response: "httpx.Response") -> Iterator[bytes]:
    import httpx

    try:
        yield from response.iter_raw()
    except httpx.HTTPError as exc:
        raise BrokenOffError(
            f"the answer broke off ({reason_of(exc)})",
            subject=address,
            remedy="Try again",
        ) from exc


def _refused(address: str, status: int) -> PullError:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return PullError(
            f"the server wants a login (status {status})",
            subject=address,
            remedy="Accept the model's terms and fetch it by hand, or name another "
            "source with --from",
        )
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return PullError(
            f"it is shorter than its source says (status {status})",
            subject=address,
            remedy="Name another source with --from, or try again later",
        )
    return PullError(
        f"the server answered with status {status}",
        subject=address,
        remedy="Check name and source, or try again later; what is there stays",
    )
