"""The way to a team server: what is wrong with a certificate decides what helps."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from team_server import write_certificate

from lsp_server.client.team_server import Route, TeamSettings
from lsp_server.errors import DaemonError


def refuse_one(listener: socket.socket, tls: ssl.SSLContext) -> None:
    """Accept a client, and expect it to refuse the certificate."""
    connection, _ = listener.accept()
    with connection, pytest.raises(OSError, match=r"."):
        tls.wrap_socket(connection, server_side=True)


@pytest.mark.parametrize(
    ("host", "days", "is_known", "remedy"),
    [
        ("localhost", 1, True, "Name the server in daemon.url as its certificate does"),
        ("127.0.0.1", -1, True, "Have the certificate renewed"),
        ("127.0.0.1", 1, False, "daemon.ca_file"),
    ],
)
def test_what_helps_depends_on_what_is_wrong_with_a_certificate(
    tmp_path: Path, host: str, days: int, remedy: str, *, is_known: bool
) -> None:
    """Only an unknown signer is a matter of the file of trusted certificates."""
    certificate, trusted = tmp_path / "tls.pem", tmp_path / "ca.pem"
    write_certificate(trusted)
    write_certificate(certificate, days=days)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        refusing = threading.Thread(target=refuse_one, args=(listener, tls))
        refusing.start()
        url = f"wss://{host}:{listener.getsockname()[1]}/lsp"
        ca_file = str(certificate if is_known else trusted)
        with pytest.raises(DaemonError) as refused:
            Route.of(TeamSettings(url=url, ca_file=ca_file)).dial()
        refusing.join()
    assert "its certificate is not trusted" in refused.value.what
    assert remedy in refused.value.remedy
