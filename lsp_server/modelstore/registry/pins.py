"""Remembers what was first fetched, so that the same comes next time.

A source may change what stands behind a name. The first pull writes revision and
hashes down; every later one of the same model from the same source must meet them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lsp_server.errors import PullError
from lsp_server.files import atomic_write_text
from lsp_server.modelstore.json_file import read_json
from lsp_server.modelstore.registry.remote import Listing
from lsp_server.modelstore.strict import ShapeError, build

__all__ = ["Pin", "Pins", "require_same"]

_FILE_NAME = "pins.json"


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


class Pins:
    """The pin file of a folder of models.

    Args:
        folder: That folder.
    """

    def __init__(self, folder: Path) -> None:
        """Read nothing yet."""
        self._path = folder / _FILE_NAME

    @property
    def path(self) -> Path:
        """Where the pins are."""
        return self._path

    def find(self, name: str, source: str) -> Pin | None:
        """Give the pin of a model from a source; None before the first pull.

        Raises:
            PullError: The file is not one.
        """
        return self._read().get(_key(name, source))

    def keep(self, name: str, listing: Listing) -> Pin:
        """Write a pin down; an earlier one of the same model and source gives way.

        Raises:
            PullError: The file that is there is not one.
            OSError: It cannot be written.
        """
        pin = Pin(
            source=listing.source,
            revision=listing.revision,
            digests={file.name: file.digest for file in listing.files},
        )
        pins = {**self._read(), _key(name, listing.source): pin}
        content = json.dumps(asdict(_PinFile(pins=pins)), indent=2)
        atomic_write_text(self._path, f"{content}\n")
        return pin

    def _read(self) -> Mapping[str, Pin]:
        if not self._path.exists():
            return {}
        try:
            return build(_PinFile, read_json(self._path)).pins
        except ShapeError as exc:
            raise PullError(
                f"the pins cannot be used: {exc}",
                subject=str(self._path),
                remedy="Correct the file, or remove it to pin anew",
            ) from exc


def require_same(pin: Pin, listing: Listing) -> None:
    """Let a listing pass that is the pinned one.

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


def _key(name: str, source: str) -> str:
    return f"{name} {source}"
