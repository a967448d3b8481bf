"""The certificate of a team server, which is read again when it was renewed."""

import logging
import re
import ssl
from pathlib import Path

from lsp_server.errors import ConfigError
from lsp_server.operating_system import open_regular, reason_of

__all__ = ["Certificate"]

_log = logging.getLogger(__name__)

_MOST_BYTES = 1 << 20
_CERTIFICATE = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )?CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----")


class Certificate:
    """A certificate and its private key, for TLS 1.2 and 1.3.

    Args:
        certificate: A PEM file with the certificate and those that it depends on.
        key: A PEM file with the private key; empty if the first file holds it.

    Raises:
        ConfigError: The files cannot be used.
    """

    def __init__(self, certificate: str, key: str) -> None:
        """Read the files."""
        self._certificate = Path(certificate).expanduser()
        self._key = Path(key).expanduser() if key else None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load()

    def reload(self) -> None:
        """Read the files again, for connections to come; bad ones change nothing."""
        try:
            # Loading half a pair into the context in use would break it.
            Certificate(str(self._certificate), str(self._key or ""))
            self._load()
        except ConfigError as error:
            _log.error("tls.not_reloaded", extra={"why": str(error)})
        else:
            _log.info("tls.reloaded")

    def _load(self) -> None:
        """Load both files.

        Raises:
            ConfigError: The files cannot be used.
        """
        _check_holds(_CERTIFICATE, "certificate", self._certificate)
        _check_holds(_KEY, "private key", self._key or self._certificate)
        try:
            # An empty password, or OpenSSL would ask for one on the terminal.
            self.context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ValueError) as error:
            # ssl's errors are OSErrors whose reason is the useful part.
            why = getattr(error, "reason", "") or getattr(error, "strerror", "")
            raise ConfigError(
                f"certificate and key cannot be used ({why or error})",
                subject=str(self._certificate),
                remedy="Name PEM files that belong together; the key has no password",
            ) from error


def _check_holds(begin: re.Pattern[bytes], what: str, path: Path) -> None:
    """Check what a file holds: OpenSSL's errors do not say which of the two is wrong.

    Args:
        begin: How that begins in PEM.
        what: What it is, for people.
        path: The file.

    Raises:
        ConfigError: The file cannot be read, or holds something else.
    """
    try:
        with open_regular(path) as file:
            text = file.read(_MOST_BYTES)
    except OSError as error:
        raise ConfigError(
            f"this file cannot be read ({reason_of(error)})",
            subject=str(path),
            remedy="Name PEM files that this user can read: listen.tls_certificate, "
            "listen.tls_key",
        ) from error
    if begin.search(text) is None:
        raise ConfigError(
            f"this file holds no {what} in PEM",
            subject=str(path),
            remedy="Name the certificate in listen.tls_certificate and its private key "
            "in listen.tls_key, or one file with both in the first",
        )
