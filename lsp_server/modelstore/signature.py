"""Signs manifests with Ed25519, and checks who has signed one.

The signature lies beside the manifest, in ``manifest.sig``: a line for each key that
signed, with the public key and the signature of the manifest's bytes. The manifest
holds the hash of every other file, so that it speaks for all of them.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

from lsp_server.config import ModelsConfig
from lsp_server.errors import UnsafeModelError
from lsp_server.files import atomic_write_text
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.manifest import MANIFEST_NAME, SIGNATURE_NAME
from lsp_server.modelstore.signing_key import (
    PUBLIC_PREFIX,
    SigningKey,
    require_cryptography,
)

__all__ = ["Trust", "read_signature", "sign_folder", "signed"]

_SIZES = (32, 64)
"""Of a public key and of a signature, in bytes."""

_MAX_FILE_BYTES = 64 * 1024
_HOW = "Sign it with `midfill models sign` and a key that is trusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose signature a model needs.

    Attributes:
        keys: The public keys that are trusted, as `SigningKey.public` writes them.
        required: Whether a model without a signature is refused; shipped ones are part
            of the installation and need none.
    """

    keys: frozenset[str] = frozenset()
    required: bool = False

    @classmethod
    def of(cls, config: ModelsConfig) -> "Trust":
        """Return what the settings say."""
        return cls(
            keys=frozenset(config.trusted_keys.split()),
            required=config.require_signature,
        )

    @property
    def asks(self) -> bool:
        """Whether a signature matters at all."""
        return self.required or bool(self.keys)

    def check(self, manifest: bytes, signature: bytes | None, *, subject: str) -> None:
        """Check the signature of a manifest.

        Args:
            manifest: The manifest, byte for byte.
            signature: The signature file; None where there is none.
            subject: The model, for error messages.

        Raises:
            UnsafeModelError: The signature is missing and required, is of nobody who
                is trusted, or is not that of this manifest.
        """
        if not self.asks:
            return
        if not self.keys:
            raise _untrusted(
                "a signature is required, and no key is trusted",
                subject,
                "Set models.trusted_keys to what `midfill models keygen` printed",
            )
        if signature is None:
            if self.required:
                raise _untrusted(
                    "it is not signed, and models.require_signature asks for that",
                    subject,
                    _HOW,
                )
            return
        trusted = [line for line in _lines(signature, subject) if line[0] in self.keys]
        if not trusted:
            raise _untrusted(
                "it is signed by no key that models.trusted_keys names",
                subject,
                f"{_HOW}, or add its key if you trust its owner",
            )
        require_cryptography(UnsafeModelError, subject=subject)
        if not all(_is_made_by(key, made, manifest) for key, made in trusted):
            raise _untrusted(
                "the signature is not that of this manifest",
                subject,
                "Do not use this model: manifest or signature was changed",
            )

    def check_folder(self, folder: Path) -> None:
        """Check the signature of a model folder; one that is shipped needs none.

        Raises:
            UnsafeModelError: As `check` says, or a file cannot be read.
        """
        if not self.asks or folder in shipped_models().values():
            return
        try:
            manifest = (folder / MANIFEST_NAME).read_bytes()
        except OSError as exc:
            raise _unreadable(folder / MANIFEST_NAME, exc) from exc
        self.check(manifest, read_signature(folder), subject=str(folder))


def signed(manifest: bytes, key: SigningKey, signature: bytes | None = None) -> bytes:
    """Return a signature file with a key's line.

    Other keys' lines that are right for this manifest stay: a team changes its key by
    signing with both for a while.

    Args:
        manifest: What to sign.
        key: Who signs.
        signature: The signature file that there was; None for none.
    """
    others = [
        f"{public} {base64.b64encode(made).decode()}"
        for public, made in _lines(signature or b"", SIGNATURE_NAME)
        if public != key.public and _is_made_by(public, made, manifest)
    ]
    return "\n".join([*others, key.line(manifest), ""]).encode()


def sign_folder(folder: Path, key: SigningKey) -> None:
    """Write a key's signature beside the manifest of a model folder.

    Raises:
        UnsafeModelError: The signature file that is there cannot be read.
        OSError: The manifest cannot be read, or the signature cannot be written.
    """
    manifest = (folder / MANIFEST_NAME).read_bytes()
    content = signed(manifest, key, read_signature(folder))
    atomic_write_text(folder / SIGNATURE_NAME, content.decode())


def read_signature(folder: Path) -> bytes | None:
    """Return the signature file of a model folder; None where there is none.

    Raises:
        UnsafeModelError: It cannot be read, or is too large.
    """
    path = folder / SIGNATURE_NAME
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _lines(signature: bytes, subject: str) -> list[tuple[str, bytes]]:
    """Return the public key and the signature of each line.

    Raises:
        UnsafeModelError: The file is too large, or a line is not of this form.
    """
    try:
        lines = signature.decode("ascii").splitlines()
        found = [_parsed(line) for line in lines]
        is_file = len(signature) <= _MAX_FILE_BYTES
    except ValueError:
        found, is_file = [], False
    if not is_file:
        raise _untrusted(f"{SIGNATURE_NAME} is no signature file", subject, _HOW)
    return found


def _parsed(line: str) -> tuple[str, bytes]:
    """Return public key and signature of a line.

    Raises:
        ValueError: It is none.
    """
    public, encoded = line.split(" ")
    made = base64.b64decode(encoded, validate=True)
    if (len(_key_bytes(public)), len(made)) != _SIZES:
        raise ValueError(line)
    return public, made


def _is_made_by(public: str, made: bytes, manifest: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(_key_bytes(public))
        key.verify(made, manifest)
    except (InvalidSignature, ValueError):
        return False
    return True


def _key_bytes(public: str) -> bytes:
    return base64.b64decode(public.removeprefix(PUBLIC_PREFIX), validate=True)


def _unreadable(path: Path, exc: OSError) -> UnsafeModelError:
    return _untrusted(
        f"its signature cannot be checked ({exc.strerror})",
        str(path),
        "Correct the permissions, or fetch the model again",
    )


def _untrusted(what: str, subject: str, remedy: str) -> UnsafeModelError:
    return UnsafeModelError(what, subject=subject, remedy=remedy)
