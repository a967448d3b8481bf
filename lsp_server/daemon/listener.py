"""The daemon's listening socket: made for this user alone, and removed at the end."""

import contextlib
import hmac
import json
import os
import secrets
import socket
from asyncio.trsock import TransportSocket
from pathlib import Path

from lsp_server.daemon.endpoint import Endpoint, check_peer
from lsp_server.daemon.lock import holder
from lsp_server.errors import DaemonError
from lsp_server.files import atomic_write

__all__ = ["BACKLOG", "Listener"]

BACKLOG = 1024
"""Connections that wait to be accepted: every editor of a team reconnects at once."""
_TOKEN_BYTES = 32
_LOCALHOST = "127.0.0.1"


class Listener:
    """A listening socket, and the file by which clients find it.

    Only the process that holds the daemon's lock makes one: whatever lies in its place
    is left over from a daemon that has died.
    """

    def __init__(
        self, endpoint: Endpoint, listening: socket.socket, token: str
    ) -> None:
        """Hold a listening socket; `open_unix` and `open_tcp` make one."""
        self._endpoint = endpoint
        self._token = token
        self.socket = listening

    @classmethod
    def open_unix(cls, endpoint: Endpoint) -> "Listener":
        """Listen on the endpoint's Unix socket.

        Raises:
            DaemonError: What lies there is not ours, or it cannot be made.
        """
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if endpoint.has_socket():
                endpoint.socket_path.unlink()
            before = os.umask(0o177)
            try:
                listening.bind(str(endpoint.socket_path))
            finally:
                os.umask(before)
            listening.listen(BACKLOG)
        except OSError as error:
            listening.close()
            raise _cannot_listen(str(endpoint.socket_path), error) from error
        except BaseException:
            listening.close()
            raise
        return cls(endpoint, listening, "")

    @classmethod
    def open_tcp(cls, endpoint: Endpoint) -> "Listener":
        """Listen on a free port of the loopback interface, behind a token.

        Raises:
            DaemonError: What lies in the address's place is not ours, or there is no
                port.
        """
        token = secrets.token_hex(_TOKEN_BYTES)
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Refuses what is not ours.
            endpoint.tcp_address()
            listening.bind((_LOCALHOST, 0))
            listening.listen(BACKLOG)
            _write_address(endpoint, listening, token)
        except OSError as error:
            listening.close()
            raise _cannot_listen(_LOCALHOST, error) from error
        except BaseException:
            listening.close()
            raise
        return cls(endpoint, listening, token)

    @property
    def address(self) -> str:
        """Where it listens, for people."""
        if self.socket.family == socket.AF_INET:
            return f"{_LOCALHOST}:{self.socket.getsockname()[1]}"
        return str(self._endpoint.socket_path)

    def admit(self, connection: socket.socket | TransportSocket, token: str) -> None:
        """Check that a client may be served.

        Raises:
            DaemonError: It is another user's, or does not know the token.
        """
        if connection.family != socket.AF_INET:
            check_peer(connection)
        elif not hmac.compare_digest(token.encode(), self._token.encode()):
            raise DaemonError(
                "the token is wrong",
                subject="the client",
                remedy=f"It is in {self._endpoint.address_path}",
            )

    def restore(self) -> bool:
        """Make the file by which clients find it anew, if somebody has removed it.

        A clean-up of temporary files may do so. Where the lock's file has gone as well,
        the place is another daemon's.

        Returns:
            Whether there is another socket to accept from.

        Raises:
            DaemonError: It cannot be made.
        """
        if self._path.exists() or holder(self._endpoint.lock_path) != os.getpid():
            return False
        if self.socket.family != socket.AF_INET:
            self.socket = Listener.open_unix(self._endpoint).socket
            return True
        try:
            _write_address(self._endpoint, self.socket, self._token)
        except OSError as error:
            raise _cannot_listen(str(self._path), error) from error
        return False

    def close(self) -> None:
        """Stop listening, and remove the socket or its address file."""
        self.socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    @property
    def _path(self) -> Path:
        """The file by which clients find it."""
        if self.socket.family == socket.AF_INET:
            return self._endpoint.address_path
        return self._endpoint.socket_path


def _write_address(endpoint: Endpoint, listening: socket.socket, token: str) -> None:
    """Write where a daemon on TCP listens, for this user alone.

    Raises:
        OSError: The file cannot be written.
    """
    address = {"port": listening.getsockname()[1], "token": token}
    before = os.umask(0o177)
    try:
        with atomic_write(endpoint.address_path) as file:
            file.write(json.dumps(address).encode())
    finally:
        os.umask(before)


def _cannot_listen(subject: str, error: OSError) -> DaemonError:
    """Make the error about a socket that cannot be made."""
    return DaemonError(
        f"the daemon cannot listen there ({error.strerror or error})",
        subject=subject,
        remedy="Set daemon.transport to the other kind, unix or tcp",
    )
