"""Which Host and Origin headers are let in, and which addresses others can reach.

A web page can make a browser send requests to a server on this machine or in its
network. Two headers, which no page can forge, tell: ``Origin`` names the page's own
server, and ``Host`` the name that the browser looked up. In DNS rebinding the page's
name points to our address, so the page counts as our own; but it is still a *name*,
and not one of ours. IP addresses need no look-up, and cannot be rebound.

The functions take all values of a header: one that occurs twice is refused.
"""

import ipaddress
import re
from collections.abc import Sequence

from lsp_server.errors import ConfigError

__all__ = ["check_listener", "host_allowed", "is_loopback", "origin_allowed"]

_LOCALHOST = "localhost"
_WEB = ("http", "https")
_MOST_PORT = 65535
_HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z](?:[0-9A-Za-z._-]*))(?::(\d{1,5}))?"
)
_MOST_HOST_CHARS = 255
_GET_TLS = "name a certificate in listen.tls_certificate"
_GET_KEY = "make a key with `midfill keys create`"


def host_allowed(hosts: Sequence[str], *, names: Sequence[str]) -> bool:
    """Return whether the ``Host`` header calls the server by a name of its own.

    Args:
        hosts: The header's values.
        names: The server's names; ``localhost`` and IP addresses are always let in.
    """
    if len(hosts) != 1:
        return False
    name = _name_of(hosts[0])
    if name is None:
        return False
    own = {_LOCALHOST, *(each.lower().rstrip(".") for each in names)}
    return name in own or _address(name) is not None


def origin_allowed(
    origins: Sequence[str], *, hosts: Sequence[str], allowed: Sequence[str]
) -> bool:
    """Return whether the ``Origin`` header is that of a page that may use the server.

    Programs that are no browsers send none, which is let in: they need a key all the
    same. The server's own pages are let in, too, once `host_allowed` has let their
    host in.

    Args:
        origins: The header's values.
        hosts: The values of ``Host``.
        allowed: Origins of other pages, such as ``https://ide.example``.
    """
    if not origins:
        return True
    if len(origins) != 1:
        return False
    origin = origins[0].lower()
    if origin in {each.lower().rstrip("/") for each in allowed}:
        return origin != "null"
    own = {f"{scheme}://{host.lower()}" for host in hosts for scheme in _WEB}
    return origin in own


def is_loopback(address: str) -> bool:
    """Return whether only this machine reaches a server that listens on ``address``.

    Args:
        address: A host without a port. Empty, a name other than ``localhost`` or an
            unspecified address (``0.0.0.0``, ``::``) is not.
    """
    if address.lower() == _LOCALHOST:
        return True
    parsed = _address(address.lower())
    return parsed is not None and parsed.is_loopback


def check_listener(
    address: str, *, has_tls: bool, has_keys: bool, insecure: bool
) -> None:
    """Check that it is safe to listen on an address.

    Args:
        address: The host to listen on, without a port.
        has_tls: Whether the listener speaks TLS.
        has_keys: Whether clients need an API key.
        insecure: Whether the user has said to listen all the same.

    Raises:
        ConfigError: Others would reach the server without TLS or without a key.
    """
    if is_loopback(address) or insecure or (has_tls and has_keys):
        return
    asked = (("TLS", has_tls, _GET_TLS), ("API key", has_keys, _GET_KEY))
    missing = [(name, remedy) for name, is_there, remedy in asked if not is_there]
    raise ConfigError(
        f"other machines may reach this address, and there is no "
        f"{' and no '.join(name for name, _ in missing)}",
        subject=f"listening on {address or 'every address'}",
        remedy=f"To be safe, {' and '.join(remedy for _, remedy in missing)}; or say "
        "that it shall be open: access.insecure_listen = true",
    )


def _name_of(host: str) -> str | None:
    """Return the name of a ``Host`` value in lower case; None for a malformed one."""
    match = _HOST.fullmatch(host) if len(host) <= _MOST_HOST_CHARS else None
    if match is None or int(match[2] or 0) > _MOST_PORT:
        return None
    return match[1].lower().removesuffix(".")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that ``name`` spells, with or without brackets."""
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        return None
