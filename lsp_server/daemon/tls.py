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
_WHOLE_CERTIFICATE = re.compile(
    _CERTIFICATE.pattern + rb"[^-]+-----END (?:[A-Z0-9]+ )?CERTIFICATE-----"
)
_ENCRYPTED = b"ENCRYPTED"
_NO_PAIR = frozenset(
    {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
)
"""OpenSSL's words for a certificate and a key of another; the last: of another kind."""

_COPY = "Copy the PEM file anew, from BEGIN to END"
_PAIR = (
    "Name files that belong together in listen.tls_certificate and listen.tls_key; the "
    "server's own certificate comes first"
)
_REMOVE = (
    "Remove it with `openssl pkey -in OLD -out NEW`, and let only the server's user "
    "read the new file"
)


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
        certificates = _read(_CERTIFICATE, "certificate", self._certificate)
        key = _read(_KEY, "private key", self._key or self._certificate)
        try:
            # An empty password, or OpenSSL would ask for one on the terminal.
            self.context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ValueError) as error:
            what, path, remedy = self._fault(error, certificates, key)
            raise ConfigError(what, subject=str(path), remedy=remedy) from error

    def _fault(
        self, error: Exception, certificates: bytes, key: bytes
    ) -> tuple[str, Path, str]:
        """Return why OpenSSL does not take the files, which of them, and what helps."""
        reason = getattr(error, "reason", None)
        key_path = self._key or self._certificate
        if reason in _NO_PAIR:
            first = "" if self._key is None else f" in {self._certificate}"
            what = f"this private key does not belong to the first certificate{first}"
            return what, key_path, _PAIR
        if reason:
            what = f"this certificate is not taken ({reason_of(error)})"
            return what, self._certificate, "Have another one made"
        if not _can_be_read(certificates):
            return "this certificate is damaged", self._certificate, _COPY
        if _ENCRYPTED in key:
            return "this private key has a password", key_path, _REMOVE
        return "this private key is damaged", key_path, _COPY


def _can_be_read(certificates: bytes) -> bool:
    """Return whether each certificate of a file in PEM can be read."""
    whole = _WHOLE_CERTIFICATE.findall(certificates)
    try:
        for each in whole:
            ssl.create_default_context(cadata=each.decode("ascii"))
    except (OSError, ValueError):
        return False
    return len(whole) == len(_CERTIFICATE.findall(certificates))


def _read(begin: re.Pattern[bytes], what: str, path: Path) -> bytes:
    """Read a file, and check what it holds: OpenSSL does not say which file is wrong.

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
    return text
