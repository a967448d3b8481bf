"""A team server in a process of its own, and editors that connect to it."""

import asyncio
import contextlib
import datetime
import ipaddress
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from piped_editor import Editor
from remote_editor import SocketEditor, WebsocketEditor
from websockets.asyncio.client import connect

from lsp_server.access.keys import StoredKey, digest_of, new_secret

SECRET = new_secret()
# As the installed command, which imports nothing from the folder that it is started in.
SERVE = [sys.executable, "-P", "-m", "lsp_server", "serve"]
BEARER = {"Authorization": f"Bearer {SECRET}"}
SETTINGS = {
    "MIDFILL_ENGINE_KIND": "scripted",
    "MIDFILL_SCRIPTED_TEXT": "21 + 21 + 21 + 21 + 21 + 21",
    "MIDFILL_SCRIPTED_TOKEN_DELAY_MS": "2",
    # Each request is to reach the engine.
    "MIDFILL_COMPLETION_CACHE": "false",
    "MIDFILL_KEYS": StoredKey(
        id="k_00000001", name="test", sha256=digest_of(SECRET).hex()
    ).line,
}


class TeamServer:
    """A real server's process, its ports and its log."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", log: Path, certificate: Path
    ) -> None:
        self.process = process
        self._log = log
        self.certificate = certificate
        self.tls = ssl.create_default_context(cafile=certificate)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def port(self, event: str) -> int:
        """Wait for the server to listen, and return where."""
        ends_s = time.monotonic() + 60
        while time.monotonic() < ends_s:
            if found := re.search(rf"{event} port=(\d+)", self.log):
                return int(found[1])
            time.sleep(0.05)
        raise TimeoutError(self.log)

    async def logged(self, words: str) -> None:
        """Wait until the log says something."""
        async with asyncio.timeout(60):
            while words not in self.log:  # noqa: ASYNC110 - a file tells of no change
                await asyncio.sleep(0.05)


def write_certificate(
    path: Path, *, days: int = 1, key: rsa.RSAPrivateKey | None = None
) -> None:
    """Write a certificate for 127.0.0.1 and its key into one file.

    Args:
        path: The file.
        days: For how long it holds; below 0 it ended so long ago.
        key: The private key; None for a new one on an elliptic curve.
    """
    private_key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, private_key.public_key(), 1)
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(private_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = private_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(pem) + private)


@contextlib.contextmanager
def team_server(
    folder: Path, settings: dict[str, str], *, port: int = 0, cwd: Path | None = None
) -> Iterator[TeamServer]:
    """Run a team server with TLS; its end is to be in order."""
    certificate, log = folder / "tls.pem", folder / "log"
    if not certificate.exists():
        write_certificate(certificate)
    command = [*SERVE, "--listen", f"127.0.0.1:{port}", "--listen-tcp", "127.0.0.1:0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "--tls-certificate", str(certificate)],
            env=os.environ | settings,
            stderr=stderr,
            cwd=cwd,
        )
    try:
        made = TeamServer(process, log, certificate)
        made.port("listen.ready")
        yield made
        process.terminate()
        assert 0 == process.wait(60)
        assert "Traceback" not in made.log
    finally:
        process.kill()
        process.wait()


async def over_tcp(server: TeamServer, first: str = f"Bearer {SECRET}") -> Editor:
    """Connect over TCP, with a first line unless it is empty."""
    port = server.port("listen.tcp_ready")
    streams = await asyncio.open_connection("127.0.0.1", port, ssl=server.tls)
    editor = SocketEditor(*streams)
    editor.send_bytes(f"Authorization: {first}\r\n".encode() if first else b"")
    return editor


async def over_websocket(
    server: TeamServer, headers: dict[str, str] | None = None
) -> Editor:
    """Connect over a websocket, with the key unless there are other headers."""
    url = f"wss://127.0.0.1:{server.port('listen.ready')}/lsp"
    return WebsocketEditor(
        await connect(
            url,
            ssl=server.tls,
            proxy=None,
            ping_interval=None,
            compression=None,
            additional_headers=BEARER if headers is None else headers,
        )
    )
