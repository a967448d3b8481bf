"""Asks the team server of this user whether completions work, as `midfill health` does.

The server leaves its address and a token of its own in a file that this user alone can
read, so a probe in the same container needs neither address nor key. The token opens
the route ``/ready`` and nothing else.
"""

import contextlib
import http.client
import json
import logging
import os
import socket
import ssl
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lsp_server.errors import DaemonError
from lsp_server.files import atomic_write
from lsp_server.operating_system import reason_of

__all__ = ["Probe", "ask_readiness", "find_probe", "published"]

_log = logging.getLogger(__name__)

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES = 1024
_MOST_ANSWER_BYTES = 64 << 10
_LOCAL_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - these are left
_TIMEOUT_S = 7.0
"""The server itself gives a proof five seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How a team server is asked whether it is ready.

    Attributes:
        host: An address of this machine.
        port: The port.
        tls: Whether it speaks TLS there.
        token: What opens ``/ready``.
    """

    host: str
    port: int
    tls: bool
    token: str

    @classmethod
    def of(cls, listener: socket.socket, *, tls: bool, token: str) -> "Probe":
        """Make the probe of a socket; one on every address is asked on this machine."""
        host, port = listener.getsockname()[:2]
        return cls(host=_LOCAL_OF.get(host, host), port=port, tls=tls, token=token)


@contextlib.contextmanager
def published(probe: Probe) -> Iterator[None]:
    """Leave what a probe needs where `find_probe` looks, for the block.

    Where nothing can be written the server works all the same, and says so in its log.
    """
    path = _path()
    try:
        with atomic_write(path, mode=0o600) as file:
            file.write(json.dumps(asdict(probe)).encode())
    except OSError as error:
        extra = {"path": str(path), "why": error.strerror}
        _log.warning("listen.no_probe", extra=extra)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def find_probe() -> Probe:
    """Return how the team server that this user started last is asked.

    Raises:
        DaemonError: No server has left that, or the file is not this user's alone.
    """
    path = _path()
    try:
        # A named pipe would have to be waited for, and a link may lead anywhere.
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with os.fdopen(opened, "rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_MOST_BYTES)
        if status.st_uid != os.geteuid() or status.st_mode & _OTHERS:
            raise DaemonError(
                "others may have written or read it",
                subject=str(path),
                remedy="Remove it, and start the server again",
            )
        found = json.loads(content)
        return Probe(
            host=str(found["host"]),
            port=int(found["port"]),
            tls=bool(found["tls"]),
            token=str(found["token"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DaemonError(
            f"it does not say where a team server listens ({_why(error)})",
            subject=str(path),
            remedy="Start one with `midfill serve --listen`, with the same TMPDIR",
        ) from error


def _why(error: Exception) -> str:
    """Return an error of the file as a clause, without its path and Python's names."""
    return getattr(error, "strerror", None) or "it is not what a team server writes"


def ask_readiness(probe: Probe) -> str:
    """Have a server prove that it completes, and return its model's name.

    Raises:
        DaemonError: It does not answer, or not with a proof.
    """
    connection = _connection(probe)
    headers = {"Authorization": f"Bearer {probe.token}"}
    try:
        connection.request("GET", "/ready", headers=headers)
        answer = connection.getresponse()
        body = json.loads(answer.read(_MOST_ANSWER_BYTES))
        if answer.status == http.client.OK:
            return str(body["model"])
        what = f"it is not ready ({body['error']['message']})"
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        http.client.HTTPException,
    ) as error:
        what = f"it does not answer ({reason_of(error)})"
    finally:
        connection.close()
    raise DaemonError(
        what,
        subject=f"the team server at {probe.host} port {probe.port}",
        remedy="Its log says more; a model takes minutes to load",
    )


def _connection(probe: Probe) -> http.client.HTTPConnection:
    """Return a connection, not yet made, to the server."""
    if not probe.tls:
        return http.client.HTTPConnection(probe.host, probe.port, timeout=_TIMEOUT_S)
    # The certificate is for the name by which others call this machine. Whoever else
    # may listen there gets a token of no use anywhere else.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(
        probe.host, probe.port, timeout=_TIMEOUT_S, context=context
    )


def _path() -> Path:
    """Return where the file is: among temporary files, which a container always has."""
    return Path(tempfile.gettempdir(), f"midfill-team-{os.geteuid()}.json")
