"""Says which places models may come from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lsp_server.errors import PullError

__all__ = ["AllowList", "without_login"]

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """The places that may be asked, redirects included.

    Attributes:
        places: Each a host, by https alone; ``*.`` and a host for those below it; an
            origin such as ``http://localhost:8080``, for exactly that one; or a
            bucket such as ``s3://models``, whose store must be listed too.
    """

    places: Sequence[str]

    def require(self, address: str) -> None:
        """Check that an address is allowed.

        Raises:
            PullError: It is not on the list.
        """
        if any(_is_at(address, place) for place in self.places):
            return
        raise PullError(
            "this source is not on the list of allowed ones",
            subject=without_login(address),
            remedy="Add it to the setting registry.sources if you trust it; "
            f"allowed are {', '.join(map(without_login, self.places)) or 'none'}",
        )


def _is_at(address: str, place: str) -> bool:
    """Return whether an address is at a place of an allow-list."""
    scheme, host_and_port, _ = _split(address)
    if "://" in place:
        return (scheme, host_and_port, "") == _split(place.rstrip("/"))
    host = host_and_port.partition(":")[0]
    if scheme != "https":
        return False
    return host.endswith(place[1:]) if place.startswith("*.") else host == place


def without_login(address: str) -> str:
    """Return scheme and host of an address, without its login, for messages."""
    scheme, host_and_port, _ = _split(address)
    return f"{scheme}://{host_and_port}" if "://" in address else address


def _split(address: str) -> tuple[str, str, str]:
    """Return scheme, host with a port that is not the default, and what follows."""
    scheme, _, rest = address.partition("://")
    login_and_host = re.split("[/?#]", rest, maxsplit=1)[0]
    host_and_port = login_and_host.rpartition("@")[2]
    return (
        scheme,
        host_and_port.removesuffix(_DEFAULT_PORTS.get(scheme, "")),
        rest.removeprefix(login_and_host),
    )
