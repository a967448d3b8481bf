"""Reads a request whose target is a whole URL, as clients of a proxy send it.

Source: RFC 9112, 3.2.2: every server takes that form, and its host replaces what the
header Host says.
"""

import re

import h11

__all__ = ["OriginFormConnection"]

_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


class OriginFormConnection(h11.Connection):
    """h11's connection of a server, whose requests all name a path and a host."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event; a request has a path for its target."""
        event = super().next_event()
        return _in_origin_form(event) if isinstance(event, h11.Request) else event


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
