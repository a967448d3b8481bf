"""What a source offered of a model when it was first asked.

A source may change what stands behind a name. The first pull writes revision and
hashes down as a pin; every later pull of that model from that source must meet them,
unless somebody asks for an update.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from lsp_server.errors import PullError
from lsp_server.files import atomic_write_text
from lsp_server.modelstore.model_files import ShapeError, read_json, validate
from lsp_server.modelstore.registry.listing import Listing

__all__ = ["Pin", "Pins", "require_same"]

_PINS_NAME = "pins.json"


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
        remedy="Pull with --update if you want the new one",
    )
