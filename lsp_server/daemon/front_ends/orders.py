"""What the engine's process and its front ends ask of each other, but for tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from lsp_server.setting_layers import Layer

__all__ = [
    "EndWanted",
    "Failed",
    "Listening",
    "PageOfAll",
    "PageOfAllWanted",
    "PageWanted",
    "ReloadWanted",
    "ServeClients",
    "SignOfLifeWanted",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeClients:
    """Has a front end serve, until the link or its process ends.

    Attributes:
        name: Tells its connections and requests from those of the others.
        count: How many front ends there are.
        layers: The server's settings; what is wrong with them is known already.
        address: Where it speaks HTTP.
        tcp_address: Where it speaks LSP over TCP; empty for nowhere.
        probe_token: What opens ``/ready``.
    """

    name: str
    count: int
    layers: Sequence[Layer]
    address: str
    tcp_address: str
    probe_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A front end takes clients from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A front end cannot serve; the attributes are those of the error."""

    what: str
    subject: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOfLifeWanted:
    """Asks a front end for any answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadWanted:
    """Has a front end read the certificate again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndWanted:
    """Has a front end take no new requests, complete those it has, and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWanted:
    """Asks a front end for its own metrics, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOfAllWanted:
    """Asks the engine's process for a `PageOfAll`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOfAll:
    """The metrics of all processes.

    Attributes:
        text: Prometheus' format.
        media_type: Its content type.
    """

    text: bytes
    media_type: str
