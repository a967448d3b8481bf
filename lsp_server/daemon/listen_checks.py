"""What a team server needs before it listens: a certificate, and a gate.

Whether an address may be listened on at all hangs on both.
"""

import os
from pathlib import Path

from lsp_server.access.gate import Gate
from lsp_server.access.hosts import check_listener, is_loopback
from lsp_server.access.key_ring import KeyRing
from lsp_server.config import Config
from lsp_server.daemon.tls import Certificate
from lsp_server.errors import ConfigError
from lsp_server.rest.serve import split_address

__all__ = ["ADDRESS", "TCP_ADDRESS", "certificate_of", "gate_of"]

ADDRESS = "listen.address"
TCP_ADDRESS = "listen.tcp_address"


def certificate_of(config: Config) -> Certificate | None:
    """Read the certificate; None where the settings name none.

    Raises:
        ConfigError: It cannot be used, or there is a private key alone.
    """
    listen = config.listen
    if not listen.tls_certificate and listen.tls_key:
        raise ConfigError(
            "there is a private key, and no certificate",
            subject="listen.tls_key",
            remedy="Name its certificate in listen.tls_certificate, or leave the key "
            "out to listen without TLS",
        )
    if not listen.tls_certificate:
        return None
    return Certificate(listen.tls_certificate, listen.tls_key)


def gate_of(config: Config, *, has_tls: bool, probe_token: str) -> Gate:
    """Return the gate, once every address is safe to listen on.

    Raises:
        ConfigError: One is not.
        KeyFileError: The keys cannot be read.
    """
    access, listen = config.access, config.listen
    path = Path(access.keys_file).expanduser() if access.keys_file else None
    ring = KeyRing.load(path, os.environ)
    named = [(listen.address, ADDRESS)]
    if listen.tcp_address:
        named.append((listen.tcp_address, TCP_ADDRESS))
    hosts = [split_address(address, setting=setting)[0] for address, setting in named]
    for host in hosts:
        check_listener(
            host,
            has_tls=has_tls,
            has_keys=ring.required,
            insecure=access.insecure_listen,
        )
    return Gate(
        ring,
        is_local=all(map(is_loopback, hosts)),
        names=access.hosts.split(),
        origins=access.origins.split(),
        insecure=access.insecure_listen,
        probe_token=probe_token,
    )
