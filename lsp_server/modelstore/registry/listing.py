"""What a source offers of a model: its files, with address, size and hash."""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from lsp_server.errors import PullError, UnsafeModelError
from lsp_server.modelstore.manifest import MANIFEST_NAME, SIGNATURE_NAME
from lsp_server.modelstore.model_files import is_inside
from lsp_server.modelstore.registry.transport import Transport, decode, read
from lsp_server.modelstore.signature import Trust

__all__ = [
    "Listing",
    "RemoteFile",
    "list_folder",
    "list_hub",
]

_WANTED = re.compile(
    r"config\.json|generation_config\.json|quantize_config\.json"
    r"|tokenizer\.json|tokenizer\.model|tokenizer_config\.json"
    r"|special_tokens_map\.json|added_tokens\.json|merges\.txt|vocab\.json"
    r"|LICEN[SC]E|LICENSE\.txt|NOTICE|model\.safetensors\.index\.json"
    r"|[A-Za-z0-9._-]+\.safetensors"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|git:[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a model at a source.

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
    """The files of a model at a source, at one revision.

    Attributes:
        source: The source, for people and for the pins.
        revision: What does not change: a commit, or the hash of the manifest.
        files: The files that are wanted of it.
        manifest: The source's own manifest, where it has one.
        signature: The signature file beside that manifest, where somebody asks for it.
    """

    source: str
    revision: str
    files: tuple[RemoteFile, ...]
    manifest: bytes | None = None
    signature: bytes | None = None


def list_hub(web: Transport, hub: str, hub_id: str, revision: str | None) -> Listing:
    """List the files of a repository on the hub that a model needs.

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
    match decode(address, read(web, address)):
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


def list_folder(transport: Transport, base: str, trust: Trust | None = None) -> Listing:
    """List the files of a model folder on the web or in a store, from its manifest.

    Args:
        transport: What to ask with.
        base: The folder's address.
        trust: Whose signature the manifest needs; None for nobody's.

    Raises:
        PullError: There is no manifest, or it cannot be used.
        UnsafeModelError: It names a file outside of the folder, or its signature is
            not the one that is needed.
    """
    base = base.rstrip("/")
    address = f"{base}/{MANIFEST_NAME}"
    content = read(transport, address)
    signature = None
    if trust is not None and trust.asks:
        signature = _signature(transport, base)
        trust.check(content, signature, subject=address)
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
    return Listing(
        source=base,
        revision=revision,
        files=files,
        manifest=content,
        signature=signature,
    )


def _signature(transport: Transport, base: str) -> bytes | None:
    """Read the signature; None where it cannot be read, which is like none."""
    with suppress(PullError):
        return read(transport, f"{base}/{SIGNATURE_NAME}")
    return None


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
    if not is_inside(name) or name in {MANIFEST_NAME, SIGNATURE_NAME}:
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
