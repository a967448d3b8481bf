"""Reads web addresses, none outside of the list of allowed ones.

Proxies are those of the environment; nothing is sent but the request.
"""

import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO
from urllib.parse import quote

from lsp_server.errors import PullError
from lsp_server.modelstore.registry.sources import AllowList

__all__ = ["Web"]

_PARTIAL = 206
_UNAUTHORIZED = frozenset({401, 403})


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to allowed addresses alone."""

    def __init__(self, allowed: AllowList) -> None:
        self._allowed = allowed

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        self._allowed.require(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Web:
    """The part of the web that is allowed.

    Args:
        allowed: Where to, redirects included.
        timeout_s: Longest silence.
    """

    def __init__(self, allowed: AllowList, *, timeout_s: float = 60.0) -> None:
        """Open nothing yet."""
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(_CheckedRedirects(allowed))

    def open(self, address: str, *, start: int = 0) -> tuple[HTTPResponse, int]:
        """Begin to read.

        Args:
            address: What to read.
            start: The first byte that is wanted.

        Returns:
            The response, and the byte that it begins with: 0 from a server that
            does not know ranges.

        Raises:
            PullError: The address is not allowed, or the server does not answer.
        """
        self._allowed.require(address)
        request = urllib.request.Request(address)  # noqa: S310 - the scheme was checked
        if start:
            request.add_header("Range", f"bytes={start}-")
        try:
            response: HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
        except urllib.error.HTTPError as exc:
            exc.close()
            raise _refused(address, exc.code) from exc
        except (OSError, HTTPException) as exc:
            raise PullError(
                f"it cannot be reached ({_reason(exc)})",
                subject=address,
                remedy="Check the network and try again; what is there stays",
            ) from exc
        return response, start if response.status == _PARTIAL else 0

    def address_of(self, base: str, name: str) -> str:
        """Give the address of a file in the folder ``base``."""
        return f"{base}/{quote(name)}"


def _refused(address: str, status: int) -> PullError:
    if status in _UNAUTHORIZED:
        return PullError(
            f"the server wants a login (status {status})",
            subject=address,
            remedy="Accept the model's terms and fetch it by hand, or name another "
            "source with --from",
        )
    return PullError(
        f"the server answered with status {status}",
        subject=address,
        remedy="Check name and source, or try again later; what is there stays",
    )


def _reason(exc: Exception) -> str:
    return str(getattr(exc, "reason", None) or exc) or type(exc).__name__
