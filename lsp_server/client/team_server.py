"""The way to a team server: its address, the key for it, TLS and the handshake.

Only what attaches to a team server loads this: `ssl` and `websockets` take time.
"""

import os
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from lsp_server import __version__
from lsp_server.client.attached_messages import LossWords
from lsp_server.client.websocket_wire import MAX_BODY_BYTES, WebsocketWire
from lsp_server.errors import DaemonError
from lsp_server.operating_system import open_regular, reason_of
from lsp_server.raw_settings import own_value

__all__ = ["KEY_VARIABLE", "Route", "TeamSettings"]

KEY_VARIABLE = "MIDFILL_API_KEY"
"""The environment variable that holds the key; it comes before the file."""

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_PATH = "/lsp"
_DIAL_S = 5.0
_MOST_KEY_BYTES = 4096
_CHUNK_BYTES = 64 * 1024
_SERVERS_FAULT = 500
_KEY = re.compile(r"[!-~]+")

_REMEDIES: Mapping[int, str] = MappingProxyType(
    {
        HTTPStatus.UNAUTHORIZED: f"Put a key that it knows into {KEY_VARIABLE}, or "
        "into the file that daemon.key_file names",
        HTTPStatus.FORBIDDEN: f"The address for editors ends with {_PATH}; or the key "
        "is not for editors, or the server goes by other names (its access.hosts)",
        HTTPStatus.NOT_FOUND: f"The address for editors ends with {_PATH}",
    }
)

_WRONG_NAME = "Name the server in daemon.url as its certificate does"
_WRONG_TIME = "Have the certificate renewed, or set this machine's clock right"
_UNTRUSTED: Mapping[int, str] = MappingProxyType(
    {9: _WRONG_TIME, 10: _WRONG_TIME, 62: _WRONG_NAME, 64: _WRONG_NAME}
)
"""What to do about a certificate, by OpenSSL's number of what is wrong with it.

Source: x509_vfy.h: not yet valid, expired, another host, another address.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamSettings:
    """Where a team server is, and what is shown to it.

    Attributes:
        url: Its address, such as ``wss://complete.example:8443/lsp``.
        key_file: The file with the API key; empty where there is none.
        ca_file: A PEM file with the certificates that are trusted; empty for those of
            the system.
    """

    url: str
    key_file: str = ""
    ca_file: str = ""

    @classmethod
    def of_user(cls, config_file: Path | None) -> "TeamSettings":
        """Read them where the user sets them; an editor's options are not asked.

        Args:
            config_file: The file that the command line names.
        """
        url, key_file, ca_file = (
            str(own_value("daemon", key, config_file))
            for key in ("url", "key_file", "ca_file")
        )
        return cls(url=url, key_file=key_file, ca_file=ca_file)

    @property
    def subject(self) -> str:
        """What the server is called in messages."""
        return f"the team server {self.url.partition('?')[0]}"

    @property
    def words(self) -> LossWords:
        """What the user reads when the connection is lost."""
        return LossWords(
            died=f"The connection to {self.subject} is lost. It is being made again.",
            restarting="Connecting: the team server cannot be reached.",
            back="The team server is there again.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to a team server whose settings are right.

    Attributes:
        uri: The address.
        key: The API key; empty where there is none.
        tls: What checks the certificate; None for a server of this machine.
        subject: What the server is called in messages.
    """

    uri: WebSocketURI
    key: str
    tls: ssl.SSLContext | None
    subject: str

    @classmethod
    def of(cls, settings: TeamSettings) -> "Route":
        """Check the settings, and read key and certificates.

        Raises:
            DaemonError: One of them is wrong.
        """
        try:
            uri = parse_uri(settings.url)
        except (InvalidURI, ValueError) as error:
            raise _wrong_url(
                f"{settings.url!r} is no address of a websocket"
            ) from error
        if uri.user_info is not None:
            raise _wrong_url("it holds a user's name or a password")
        if not uri.secure and uri.host not in _LOCAL_HOSTS:
            raise _wrong_url("ws:// is for this machine alone: others could read along")
        if uri.path in {"", "/"}:
            uri = replace(uri, path=_PATH)
        return cls(
            uri=uri,
            key=_read_key(settings.key_file),
            tls=_context(settings.ca_file) if uri.secure else None,
            subject=settings.subject,
        )

    def dial(self) -> WebsocketWire:
        """Connect, and wait for that.

        Raises:
            DaemonError: The server refuses, or cannot be trusted.
            OSError: It cannot be reached.
        """
        until_s = time.monotonic() + _DIAL_S
        connection = socket.create_connection((self.uri.host, self.uri.port), _DIAL_S)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                connection = self._secured(connection, self.tls)
            protocol = self._shake_hands(connection, until_s)
        except BaseException:
            connection.close()
            raise
        return WebsocketWire(connection, protocol, subject=self.subject)

    def _secured(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        """Put TLS round a connection.

        Raises:
            DaemonError: The certificate is not one that is trusted.
            OSError: There is no TLS.
        """
        try:
            return tls.wrap_socket(connection, server_hostname=self.uri.host)
        except ssl.SSLCertVerificationError as error:
            raise DaemonError(
                f"its certificate is not trusted ({error.verify_message})",
                subject=self.subject,
                remedy=_UNTRUSTED.get(
                    error.verify_code,
                    "Name the certificate of who signed it in daemon.ca_file",
                ),
            ) from error

    def _shake_hands(self, connection: socket.socket, until_s: float) -> ClientProtocol:
        """Open the websocket.

        Raises:
            DaemonError: The server refuses.
            OSError: It is gone, or has no time for now.
        """
        protocol = ClientProtocol(self.uri, max_size=MAX_BODY_BYTES)
        request = protocol.connect()
        request.headers["User-Agent"] = f"midfill/{__version__}"
        if self.key:
            request.headers["Authorization"] = f"Bearer {self.key}"
        protocol.send_request(request)
        connection.sendall(b"".join(protocol.data_to_send()))
        while True:
            connection.settimeout(max(0.001, until_s - time.monotonic()))
            chunk = connection.recv(_CHUNK_BYTES)
            if chunk:
                protocol.receive_data(chunk)
            else:
                protocol.receive_eof()
            for event in protocol.events_received():
                if isinstance(event, Response) and protocol.state is not State.OPEN:
                    self._refused(event)
            if protocol.state is State.OPEN:
                return protocol
            if protocol.handshake_exc is not None:
                raise OSError(str(protocol.handshake_exc))

    def _refused(self, response: Response) -> None:
        """Raise what a server means that does not open the websocket.

        Raises:
            DaemonError: It will not, as things are.
            OSError: It has no time for now.
        """
        status = response.status_code
        what = f"it answers {status}, {response.reason_phrase}"
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= _SERVERS_FAULT:
            raise OSError(what)
        remedy = _REMEDIES.get(status, "See which address its operator gives")
        raise DaemonError(what, subject=self.subject, remedy=remedy)


def _read_key(key_file: str) -> str:
    """Return the API key of the environment, else of the file; empty for none.

    Raises:
        DaemonError: The file cannot be read, is not private, or holds no key.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    subject = KEY_VARIABLE
    if not key and key_file:
        path = Path(key_file).expanduser()
        subject = str(path)
        try:
            with open_regular(path) as file:
                found = os.fstat(file.fileno())
                if found.st_mode & 0o077 or found.st_uid not in {0, os.getuid()}:
                    raise DaemonError(
                        "others may read or change it",
                        subject=subject,
                        remedy=f"Run `chmod 600 {path}`",
                    )
                key = file.read(_MOST_KEY_BYTES).decode("ascii", "replace").strip()
        except OSError as error:
            raise DaemonError(
                f"it cannot be read ({reason_of(error)})",
                subject=subject,
                remedy="Correct the setting daemon.key_file",
            ) from error
    if (key or key_file) and _KEY.fullmatch(key) is None:
        raise DaemonError(
            "it holds no API key", subject=subject, remedy="Put one line with it there"
        )
    return key


def _context(ca_file: str) -> ssl.SSLContext:
    """Return what checks the server's certificate.

    Raises:
        DaemonError: The file of certificates cannot be used.
    """
    path = str(Path(ca_file).expanduser()) if ca_file else None
    try:
        if path:
            open_regular(Path(path)).close()
        context = ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:
        raise DaemonError(
            f"it holds no certificates that can be used ({reason_of(error)})",
            subject=str(path),
            remedy="Correct the setting daemon.ca_file",
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _wrong_url(what: str) -> DaemonError:
    """Make the error about an address."""
    return DaemonError(
        what,
        subject="the setting daemon.url",
        remedy="Set an address such as wss://complete.example:8443/lsp",
    )
