"""Reads a request whose target is a whole URL, as clients of a proxy send it.

Source: RFC 9112, 3.2.2: every server takes that form, and its host replaces what the
header Host says.
"""

import re

import h11

__all__ = ["OriginFormConnection"]

_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


class OriginFormConnection(h11.Connection):
    """h11's connection of a server, whose requests all name a path and a host.

    Args:
        max_head_bytes: The largest head of a request. h11 on its own bounds only one
            that has not ended yet, so what comes at once may be longer.
    """

    def __init__(self, max_head_bytes: int) -> None:
        super().__init__(h11.SERVER, max_head_bytes)
        self._max_head_bytes = max_head_bytes

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event; a request has a path for its target.

        Raises:
            h11.RemoteProtocolError: What came is no request, or its head is too large.
        """
        event = super().next_event()
        if not isinstance(event, h11.Request):
            return event
        if _head_bytes(event) > self._max_head_bytes:
            raise h11.RemoteProtocolError("the head is too large")
        return _in_origin_form(event)


def _head_bytes(request: h11.Request) -> int:
    """Return the size of a request's head, as it is written without more blanks."""
    line = len(request.method) + len(request.target) + len(" HTTP/1.1\r\n \r\n")
    headers = sum(len(name) + len(value) + 4 for name, value in request.headers)
    return line + headers


def _in_origin_form(request: h11.Request) -> h11.Request:
    """Return a request with the target's path, and with its host in the header Host."""
    absolute = _ABSOLUTE.fullmatch(request.target)
    if absolute is None:
        return request
    host, path = absolute.groups()
    others = [each for each in request.headers if each[0] != b"host"]
    return h11.Request(
        method=request.method,
        target=path if path.startswith(b"/") else b"/" + path,
        headers=[(b"host", host), *others],
        http_version=request.http_version,
    )
