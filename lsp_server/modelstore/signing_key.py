"""The key pair that signs models."""

import base64
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.errors import KeyFileError, MidfillError
from lsp_server.operating_system import open_regular, reason_of

# Most commands sign nothing.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["PUBLIC_PREFIX", "SigningKey", "require_cryptography"]

PUBLIC_PREFIX = "ed25519:"
"""What a public key begins with, before its bytes in Base64."""

_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key pair of somebody who vouches for models.

    Attributes:
        public: The public key as ``models.trusted_keys`` wants it.
    """

    public: str
    _private: "Ed25519PrivateKey"

    @classmethod
    def make(cls, path: Path) -> "SigningKey":
        """Make a key pair, and write the private key into a new file of mode 0600.

        Raises:
            KeyFileError: The file exists, or cannot be written.
        """
        require_cryptography(KeyFileError, subject=str(path))
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.generate()
        content = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                file.write(content)
        except OSError as exc:
            raise KeyFileError(
                f"the key cannot be written ({exc.strerror})",
                subject=str(path),
                remedy="Name a new file in a folder that you may write to; no key is "
                "ever overwritten",
            ) from exc
        return cls(public=_public_of(private), _private=private)

    @classmethod
    def read(cls, path: Path) -> "SigningKey":
        """Read a private key that `make` or ``openssl genpkey`` has written.

        Raises:
            KeyFileError: It cannot be read, is none, or others may read it.
        """
        require_cryptography(KeyFileError, subject=str(path))
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        try:
            with open_regular(path) as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read()
        except OSError as exc:
            raise KeyFileError(
                f"the key cannot be read ({reason_of(exc)})",
                subject=str(path),
                remedy="Name the file that `midfill models keygen` has written",
            ) from exc
        if mode & _OF_OTHERS:
            raise KeyFileError(
                "others may read the private key",
                subject=str(path),
                remedy=f"Run `chmod 600 {path}`, and make a new key if they did",
            )
        try:
            private = serialization.load_pem_private_key(content, password=None)
        # TypeError: it is encrypted.
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise _no_key(path) from exc
        if not isinstance(private, Ed25519PrivateKey):
            raise _no_key(path)
        return cls(public=_public_of(private), _private=private)

    def line(self, manifest: bytes) -> str:
        """Return the line of a signature file that vouches for a manifest."""
        made = base64.b64encode(self._private.sign(manifest)).decode()
        return f"{self.public} {made}"


def require_cryptography(error: type[MidfillError], *, subject: str) -> None:
    """Check that the package is installed which signs and checks.

    Raises:
        MidfillError: It is not; an error of the class ``error``.
    """
    try:
        import cryptography  # noqa: F401 - whether it is there
    except ImportError as exc:
        raise error(
            "signatures need cryptography, which is not installed",
            subject=subject,
            remedy="Install it with `make install-s3`, or outside of a checkout with "
            "`python -m pip install 'midfill[s3]'`",
        ) from exc


def _public_of(private: "Ed25519PrivateKey") -> str:
    return (
        PUBLIC_PREFIX
        + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    )


def _no_key(path: Path) -> KeyFileError:
    return KeyFileError(
        "it holds no private Ed25519 key without a passphrase",
        subject=str(path),
        remedy="Name the file that `midfill models keygen` has written",
    )
