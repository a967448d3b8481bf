"""What a source says that a model consists of."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lsp_server.errors import PullError, UnsafeModelError
from lsp_server.modelstore.integrity import MANIFEST_NAME
from lsp_server.modelstore.registry.transport import Transport, decode, read, read_json
from lsp_server.modelstore.safety import is_inside

__all__ = ["Listing", "RemoteFile", "file_digest", "list_folder", "list_hub"]

_WANTED = re.compile(
    r"config\.json|generation_config\.json|quantize_config\.json"
    r"|tokenizer\.json|tokenizer\.model|tokenizer_config\.json"
    r"|special_tokens_map\.json|added_tokens\.json|merges\.txt|vocab\.json"
    r"|LICEN[SC]E|LICENSE\.txt|NOTICE|model\.safetensors\.index\.json"
    r"|[A-Za-z0-9._-]+\.safetensors"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|git:[0-9a-f]{40}")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file.

    Attributes:
        name: Its name, relative to the model's folder.
        address: Where its content is.
        bytes: Its size.
        digest: ``sha256:`` and hexadecimal digits, or ``git:`` and the blob's id.
    """

    name: str
    address: str
    bytes: int
    digest: str

    @property
    def is_weights(self) -> bool:
        """Whether it is large, and fetched last."""
        return self.name.endswith(".safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A model at a source, at one revision.

    Attributes:
        source: The source, for people and for the pins.
        revision: What does not change: a commit, or the hash of the manifest.
        files: The files that are wanted of it.
        manifest: The source's own manifest, where it has one.
    """

    source: str
    revision: str
    files: tuple[RemoteFile, ...]
    manifest: bytes | None = None


def list_hub(web: Transport, hub: str, hub_id: str, revision: str | None) -> Listing:
    """Ask the hub for the files of a repository that a model needs.

    Args:
        web: What to ask with.
        hub: The hub's address.
        hub_id: Owner and name.
        revision: A commit; None asks for the newest.

    Raises:
        PullError: The hub does not answer, or there are no safetensors.

    Source: the endpoints of ``huggingface_hub``, ``model_info(files_metadata=True)``
    and ``hf_hub_url``.
    """
    address = f"{hub}/api/models/{hub_id}/revision/{revision or 'main'}?blobs=true"
    match read_json(web, address):
        case {"sha": str(commit), "siblings": list(siblings)} if _COMMIT.fullmatch(
            commit
        ):
            pass
        case _:
            raise _strange(address)
    base = f"{hub}/{hub_id}/resolve/{commit}"
    files = tuple(
        _hub_file(address, base, sibling)
        for sibling in siblings
        if isinstance(sibling, dict)
        and _WANTED.fullmatch(str(sibling.get("rfilename")))
    )
    if not any(file.is_weights and file.digest.startswith("sha256:") for file in files):
        raise PullError(
            "the repository has no safetensors, and other weights can run code",
            subject=f"{hub}/{hub_id}",
            remedy="Choose another checkpoint",
        )
    return Listing(source=f"{hub}/{hub_id}", revision=commit, files=files)


def list_folder(transport: Transport, base: str) -> Listing:
    """Read the manifest of a model folder on the web, or in a store.

    Raises:
        PullError: There is none, or it is not one.
        UnsafeModelError: It names a file outside of the folder.
    """
    base = base.rstrip("/")
    address = f"{base}/{MANIFEST_NAME}"
    content = read(transport, address)
    match decode(address, content):
        case {"files": dict(entries)}:
            pass
        case _:
            raise _strange(address)
    files = tuple(
        _folder_file(address, transport.address_of(base, name), name, entry)
        for name, entry in entries.items()
    )
    revision = hashlib.sha256(content).hexdigest()
    return Listing(source=base, revision=revision, files=files, manifest=content)


def file_digest(path: Path, like: str) -> str:
    """Hash a file in the way that ``like`` was made.

    Raises:
        OSError: It cannot be read.
    """
    if like.startswith("git:"):
        # Git's name of a blob, which the hub gives for small files; not a safeguard
        # against somebody who can make two files of one name.
        digest = hashlib.sha1(usedforsecurity=False)
        digest.update(f"blob {path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        return f"git:{digest.hexdigest()}"
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _hub_file(address: str, base: str, raw: Mapping[str, object]) -> RemoteFile:
    match raw:
        case {
            "rfilename": str(name),
            "lfs": {"sha256": str(sha256), "size": int(size)},
        }:
            digest = f"sha256:{sha256}"
        case {"rfilename": str(name), "blobId": str(blob), "size": int(size)}:
            digest = f"git:{blob}"
        case _:
            raise _strange(address)
    if not _DIGEST.fullmatch(digest):
        raise _strange(address)
    return RemoteFile(
        name=name, address=f"{base}/{quote(name)}", bytes=size, digest=digest
    )


def _folder_file(manifest: str, address: str, name: str, entry: object) -> RemoteFile:
    match entry:
        case {"sha256": str(sha256), "bytes": int(size)}:
            digest = f"sha256:{sha256}"
        case _:
            raise _strange(manifest)
    if not _DIGEST.fullmatch(digest):
        raise _strange(manifest)
    if not is_inside(name) or name == MANIFEST_NAME:
        raise UnsafeModelError(
            f"the manifest names {name!r}, which is no file of the folder",
            subject=manifest,
            remedy="Do not use this source",
        )
    return RemoteFile(name=name, address=address, bytes=size, digest=digest)


def _strange(address: str) -> PullError:
    return PullError(
        "the answer does not describe a model",
        subject=address,
        remedy="Check that the address is that of a model",
    )
