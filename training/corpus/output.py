"""The finished corpus: its shards, its manifest, and the list of its packages."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from lsp_server.files import JsonLinesWriter

__all__ = [
    "HELD_OUT",
    "TRAIN",
    "CorpusManifest",
    "Dropped",
    "FileRecord",
    "PackageEntry",
    "Refusal",
    "ShardEntry",
    "ShardWriter",
    "Totals",
    "count_dropped",
    "render_manifest",
    "split_of",
]

TRAIN = "train"
HELD_OUT = "held-out"

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file that passed the filters, without its text.

    Attributes:
        path: Path inside the package, with forward slashes.
        sha256: SHA-256 of the text in UTF-8, in hexadecimal.
        characters: Length of the text.
        bytes: Size of the file.
    """

    path: str
    sha256: str
    characters: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """The files that were dropped for one reason.

    Attributes:
        files: Number of files.
        bytes: Their total size.
    """

    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Refusal:
    """One source that is not used.

    Attributes:
        reason: Why not.
        source: Name of the archive or folder, without the folders above it.
    """

    reason: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageEntry:
    """One package of the corpus.

    Attributes:
        name: Canonical name.
        version: Version as the package writes it.
        licence: SPDX expression under which the text is used.
        home_page: URL of its home page; empty if it states none.
        split: ``train`` or ``held-out``.
        files: Number of files kept.
        characters: Characters kept.
        sha256: SHA-256 of a line ``HASH  PATH`` for each kept file, in order.
    """

    name: str
    version: str
    licence: str
    home_page: str
    split: str
    files: int
    characters: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEntry:
    """One shard of the corpus.

    Attributes:
        name: Name in the corpus folder.
        split: ``train`` or ``held-out``.
        files: Number of source files in it.
        bytes: Size on disk.
        sha256: SHA-256 of the compressed shard.
    """

    name: str
    split: str
    files: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the packages of one split."""

    packages: int
    files: int
    characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusManifest:
    """The content of ``manifest.json``.

    Attributes:
        parameters: The build's options, without paths of the machine.
        evaluation_data: SHA-256 of each file of evaluation data, by its name.
        packages: The packages used, by name.
        dropped: Files that were dropped, by reason.
        refused: Sources that were not used at all.
        damaged: Sources of which only the files before the damage were read.
        shards: The shards of the corpus.
    """

    parameters: Mapping[str, int | float | str | tuple[str, ...]]
    evaluation_data: Mapping[str, str]
    packages: tuple[PackageEntry, ...]
    dropped: Mapping[str, Dropped]
    refused: tuple[Refusal, ...]
    damaged: tuple[str, ...]
    shards: tuple[ShardEntry, ...]

    def totals(self, split: str) -> Totals:
        """Return the sums over the packages of one split."""
        of_split = [entry for entry in self.packages if entry.split == split]
        return Totals(
            packages=len(of_split),
            files=sum(entry.files for entry in of_split),
            characters=sum(entry.characters for entry in of_split),
        )


def count_dropped(
    into: dict[str, Dropped], reason: str, *, size_bytes: int, files: int = 1
) -> None:
    """Add files to those dropped for a reason."""
    before = into.get(reason, Dropped(files=0, bytes=0))
    into[reason] = Dropped(files=before.files + files, bytes=before.bytes + size_bytes)


def split_of(package: str, *, held_out_share: float) -> str:
    """Return the split of a package, which depends on its name alone.

    A greater share moves packages to the held-out split, and none back.

    Args:
        package: Canonical name.
        held_out_share: Share of packages to hold out, from 0 to 1.
    """
    digest = hashlib.sha256(package.encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return HELD_OUT if place < held_out_share else TRAIN


class ShardWriter:
    """Writes the lines of one split to ``SPLIT-00000.jsonl.gz`` and so on.

    The same lines give the same bytes: the files contain neither a name nor a time.

    Args:
        folder: Folder to write into.
        split: Name of the split.
        shard_bytes: Size before compression from which on a new shard begins.
    """

    def __init__(self, folder: Path, *, split: str, shard_bytes: int) -> None:
        self._folder = folder
        self._split = split
        self._shard_bytes = shard_bytes
        self._shard: JsonLinesWriter | None = None
        self._files = 0
        self._bytes = 0
        self._entries: list[ShardEntry] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()

    @property
    def entries(self) -> tuple[ShardEntry, ...]:
        """The finished shards; after the ``with`` block, all shards."""
        return tuple(self._entries)

    def write(self, line: str) -> None:
        """Write one source file's line."""
        if self._shard is None:
            self._shard = JsonLinesWriter(self._folder / self._name())
        self._bytes += self._shard.write_line(line)
        self._files += 1
        if self._bytes >= self._shard_bytes:
            self._finish()

    def _name(self) -> str:
        return f"{self._split}-{len(self._entries):05}.jsonl.gz"

    def _finish(self) -> None:
        if self._shard is None:
            return
        self._shard.close()
        self._shard = None
        path = self._folder / self._name()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._entries.append(
            ShardEntry(
                name=path.name,
                split=self._split,
                files=self._files,
                bytes=path.stat().st_size,
                sha256=digest,
            )
        )
        self._files = self._bytes = 0


def render_manifest(manifest: CorpusManifest) -> str:
    """Render the manifest as JSON, the same for the same corpus."""
    refused: dict[str, list[str]] = {}
    for refusal in manifest.refused:
        refused.setdefault(refusal.reason, []).append(refusal.source)
    content = {
        "format": _VERSION,
        "parameters": dict(manifest.parameters),
        "evaluation_data": dict(manifest.evaluation_data),
        "totals": {
            split: asdict(manifest.totals(split)) for split in (TRAIN, HELD_OUT)
        },
        "dropped_files": {
            reason: asdict(count) for reason, count in sorted(manifest.dropped.items())
        },
        "refused_sources": refused,
        "damaged_sources": sorted(manifest.damaged),
        "shards": [asdict(entry) for entry in manifest.shards],
        "packages": [asdict(entry) for entry in manifest.packages],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
