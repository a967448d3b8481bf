"""What a source offers of a model, and what it offered when it was first asked.

A source may change what stands behind a name. The first pull writes revision and
hashes down as a pin; every later pull of that model from that source must meet them.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter

from lsp_server.errors import PullError, UnsafeModelError
from lsp_server.files import atomic_write_text
from lsp_server.modelstore.manifest import MANIFEST_NAME
from lsp_server.modelstore.model_files import (
    ShapeError,
    is_inside,
    read_json,
    validate,
)
from lsp_server.modelstore.registry.transport import Transport, decode, read

__all__ = [
    "Listing",
    "Pin",
    "Pins",
    "RemoteFile",
    "list_folder",
    "list_hub",
    "require_same",
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
_PINS_NAME = "pins.json"


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
    """

    source: str
    revision: str
    files: tuple[RemoteFile, ...]
    manifest: bytes | None = None


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


def list_folder(transport: Transport, base: str) -> Listing:
    """List the files of a model folder on the web or in a store, from its manifest.

    Raises:
        PullError: There is no manifest, or it cannot be used.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What one model was at one source.

    Attributes:
        source: The source's address.
        revision: The commit, or the hash of the manifest.
        digests: Every file's digest, by name.
    """

    source: str
    revision: str
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PinFile:
    pins: Mapping[str, Pin]


_PIN_FILE = TypeAdapter(_PinFile)


class Pins:
    """The pin file of a folder of models.

    Args:
        folder: That folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _PINS_NAME

    @property
    def path(self) -> Path:
        """Where the pins are."""
        return self._path

    def find(self, name: str, source: str) -> Pin | None:
        """Return the pin of a model from a source; None before the first pull.

        Raises:
            PullError: The file of pins cannot be used.
        """
        return self._read().get(f"{name} {source}")

    def keep(self, name: str, listing: Listing) -> Pin:
        """Write a pin down, over an earlier one of the same model and source.

        Raises:
            PullError: The file of pins cannot be used.
            OSError: It cannot be written.
        """
        pin = Pin(
            source=listing.source,
            revision=listing.revision,
            digests={file.name: file.digest for file in listing.files},
        )
        pins = {**self._read(), f"{name} {listing.source}": pin}
        content = json.dumps(asdict(_PinFile(pins=pins)), indent=2)
        atomic_write_text(self._path, f"{content}\n")
        return pin

    def _read(self) -> Mapping[str, Pin]:
        if not self._path.exists():
            return {}
        try:
            return validate(_PIN_FILE, read_json(self._path)).pins
        except ShapeError as exc:
            raise PullError(
                f"the pins cannot be used: {exc}",
                subject=str(self._path),
                remedy="Correct the file, or remove it to pin anew",
            ) from exc


def require_same(pin: Pin, listing: Listing) -> None:
    """Check that a listing is the pinned one.

    Raises:
        PullError: The source now offers something else under the same revision.
    """
    found = {file.name: file.digest for file in listing.files}
    if pin.revision == listing.revision and dict(pin.digests) == found:
        return
    changed = sorted(
        name
        for name in pin.digests.keys() | found.keys()
        if pin.digests.get(name) != found.get(name)
    )
    raise PullError(
        "the source offers something else than what was pinned at the first pull"
        + (f" ({changed[0]})" if changed else f" (revision {listing.revision})"),
        subject=listing.source,
        remedy="Remove its pin from pins.json if you want the new one",
    )


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
