"""Decides whether a client may use a route, by its headers and its key."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lsp_server.access.hosts import host_allowed, origin_allowed
from lsp_server.access.key_ring import KeyRing
from lsp_server.access.keys import NO_KEY, Key, Route, digest_of
from lsp_server.errors import NotAllowedError, NotAuthenticatedError

__all__ = ["Caller", "Gate", "check_model"]

_BEARER = re.compile(r"Bearer +(\S+) *", re.IGNORECASE)

_PROBE = Key(key_id="probe", name="", routes=(Route.READY,))
"""Stands for the probe of the server's own machine; see `Gate`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What a client's headers say; each holds all values of a header.

    Attributes:
        hosts: The values of ``Host``.
        origins: The values of ``Origin``.
        authorizations: The values of ``Authorization``.
    """

    hosts: Sequence[str]
    origins: Sequence[str] = ()
    authorizations: Sequence[str] = ()


class Gate:
    """Decides who may use what; to be asked before a request's body is read.

    Every route needs a key once there is one, or where other machines reach the
    server. `Route.HEALTH` alone is open: it says that the process lives, no more.

    Args:
        ring: The keys.
        is_local: Whether only this machine reaches the server, see `is_loopback`.
        names: Names of the server, see `host_allowed`.
        origins: Origins of web pages that may use the server, see `origin_allowed`.
        insecure: Whether the user has said that no key is needed where there is none,
            although other machines reach the server.
        probe_token: What the server's own probe sends in place of a key, for
            `Route.READY` alone; empty for no probe.
    """

    def __init__(
        self,
        ring: KeyRing,
        *,
        is_local: bool,
        names: Sequence[str] = (),
        origins: Sequence[str] = (),
        insecure: bool = False,
        probe_token: str = "",
    ) -> None:
        self._ring = ring
        self._names = tuple(names)
        self._origins = tuple(origins)
        self._may_be_open = is_local or insecure
        self._probe_digest = digest_of(probe_token) if probe_token else b""

    def enter(self, caller: Caller, route: Route) -> Key:
        """Return the client's key; `NO_KEY` where none is needed.

        Raises:
            NotAllowedError: Its host, its origin or its key may not use the route.
            NotAuthenticatedError: It needs a key, and has sent none that holds.
        """
        # Load balancers probe by HTTP/1.0 without a host, which no browser can.
        if route is not Route.HEALTH or caller.hosts or caller.origins:
            self.check_page(caller)
        return self.admit(caller.authorizations, route)

    def admit(self, authorizations: Sequence[str], route: Route) -> Key:
        """Return the key of a client that cannot be a web page, as `enter` does.

        Args:
            authorizations: What it sent as ``Authorization``.
            route: What it wants to use.

        Raises:
            NotAllowedError: Its key may not use the route.
            NotAuthenticatedError: It needs a key, and has sent none that holds.
        """
        if route is Route.HEALTH or (self._may_be_open and not self._ring.required):
            return NO_KEY
        if route is Route.READY and self._is_probe(authorizations):
            return _PROBE
        key = self.identify(authorizations)
        if key.routes and route not in key.routes:
            raise NotAllowedError(
                f"this key may not use {route.value}",
                subject=f"key {key.key_id}",
                remedy="Use a key that may, or have the route added",
            )
        return key

    def check_page(self, caller: Caller) -> None:
        """Check that no foreign web page is behind the request.

        Raises:
            NotAllowedError: The host or the origin is not one of the server's.
        """
        if not host_allowed(caller.hosts, names=self._names):
            raise NotAllowedError(
                "the header Host does not name this server",
                subject="the request",
                remedy="Use localhost or an IP address, or add the name to "
                "access.hosts in the server's settings",
            )
        if not origin_allowed(
            caller.origins, hosts=caller.hosts, allowed=self._origins
        ):
            raise NotAllowedError(
                "web pages of this Origin may not use this server",
                subject="the request",
                remedy="Add the origin to access.origins in the server's settings",
            )

    def identify(self, authorizations: Sequence[str]) -> Key:
        """Return the key that the header ``Authorization`` holds.

        Args:
            authorizations: The header's values.

        Raises:
            NotAuthenticatedError: There is not exactly one key that holds.
        """
        presented = _presented(authorizations)
        key = self._ring.identify(presented)
        if key is None or len(authorizations) != 1:
            what = "the API key does not hold" if presented else "an API key is needed"
            raise NotAuthenticatedError(
                what,
                subject="the request",
                remedy="Send the header `Authorization: Bearer KEY`, with a key from "
                "`midfill keys create`",
            )
        return key

    def _is_probe(self, authorizations: Sequence[str]) -> bool:
        """Return whether the client is the server's own probe."""
        presented = digest_of(_presented(authorizations))
        is_probe = hmac.compare_digest(presented, self._probe_digest)
        return is_probe and len(authorizations) == 1


def _presented(authorizations: Sequence[str]) -> str:
    """Return the key in the first ``Authorization``; empty if there is none."""
    match = _BEARER.fullmatch(authorizations[0]) if authorizations else None
    return match[1] if match else ""


def check_model(key: Key, model: str) -> None:
    """Check that a key may use a model.

    Raises:
        NotAllowedError: It may not.
    """
    if key.models and model not in key.models:
        raise NotAllowedError(
            "this key may not use this model",
            subject=f"key {key.key_id}",
            remedy=f"Use one of its own: {', '.join(key.models)}",
        )
