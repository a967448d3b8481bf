"""Serves the metrics by HTTP on the setting ``metrics.listen``, in a thread.

It listens on the loopback interface alone, and answers only requests that name it as
their host, so that no page in a browser can read it by way of a name of its own.
"""

import ipaddress
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lsp_server.errors import ConfigError

__all__ = ["MetricsListener", "parse_address"]

_log = logging.getLogger(__name__)

_PATH = "/metrics"
_STALLED_S = 10.0
_MAX_PORT = 65535


def parse_address(address: str) -> tuple[str, int]:
    """Return the host and the port of ``HOST:PORT``; port 0 is any free one.

    Raises:
        ConfigError: It is none, or not on the loopback interface.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    number = int(port) if port.isascii() and port.isdigit() else -1
    if not host or not 0 <= number <= _MAX_PORT:
        raise ConfigError(
            f"{address!r} is no host and port, which is a number up to {_MAX_PORT}",
            subject="metrics.listen",
            remedy="write it like 127.0.0.1:9464",
        )
    if not _is_loopback(host):
        raise ConfigError(
            f"{host} is not on the loopback interface",
            subject="metrics.listen",
            remedy="write 127.0.0.1, or let Prometheus read the REST API's /metrics "
            "with a key",
        )
    return host, number


class MetricsListener:
    """Answers ``GET /metrics`` until it is closed.

    Args:
        address: Where it listens, as `parse_address` returns it.
        render: Returns the metrics and their content type; called in a thread.
    """

    def __init__(
        self, address: tuple[str, int], render: Callable[[], tuple[bytes, str]]
    ) -> None:
        """Listen.

        Raises:
            ConfigError: The address is taken or does not exist.
        """
        try:
            self._server = _Server(address, _handler_of(render))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {address[0]}:{address[1]} ({error.strerror})",
                subject="metrics.listen",
                remedy="choose another port, or end what has taken it",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()
        _log.info("metrics.listen", extra={"port": self.port})

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening. May be called twice."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A server whose threads end with the process, and that says nothing on stderr."""

    daemon_threads = True

    def handle_error(self, _request: object, _client_address: object) -> None:
        """Ignore a client that has gone or stalled."""


def _handler_of(
    render: Callable[[], tuple[bytes, str]],
) -> type[BaseHTTPRequestHandler]:
    """Make a class of handlers that answer with what ``render`` returns."""

    class Handler(BaseHTTPRequestHandler):
        server_version = "midfill"
        sys_version = ""
        timeout = _STALLED_S  # type: ignore[mutable-override]  # typeshed's own wish

        def do_GET(self) -> None:
            """Answer with the metrics, or why not."""
            host = self.headers.get("Host", "").rpartition(":")[0].strip("[]")
            if not _is_loopback(host or self.headers.get("Host", "")):
                self._answer(HTTPStatus.FORBIDDEN, b"wrong host\n")
            elif self.path.partition("?")[0] != _PATH:
                self._answer(HTTPStatus.NOT_FOUND, b"only /metrics is here\n")
            else:
                body, content_type = render()
                self._answer(HTTPStatus.OK, body, content_type)

        def log_message(self, *_arguments: object) -> None:
            """Log nothing: a scrape every few seconds is no event."""

        def _answer(
            self, status: HTTPStatus, body: bytes, content_type: str = "text/plain"
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _is_loopback(host: str) -> bool:
    """Return whether a host is the loopback interface's own name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
