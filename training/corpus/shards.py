"""Writes the corpus as gzipped JSON lines, in files of a bounded size."""

import gzip
import hashlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from training.corpus.values import ShardEntry

__all__ = ["ShardWriter"]

_LEVEL = 6


class ShardWriter:
    """Writes the lines of one split to ``SPLIT-00000.jsonl.gz`` and so on.

    The same lines give the same bytes: no name and no time is in the files.

    Args:
        folder: Folder to write into.
        split: Name of the split.
        shard_bytes: Size before compression from which on a new shard begins.
    """

    def __init__(self, folder: Path, *, split: str, shard_bytes: int) -> None:
        self._folder = folder
        self._split = split
        self._shard_bytes = shard_bytes
        self._raw: BinaryIO | None = None
        self._zipped: gzip.GzipFile | None = None
        self._files = 0
        self._bytes = 0
        self._entries: list[ShardEntry] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finish()

    @property
    def entries(self) -> tuple[ShardEntry, ...]:
        """The finished shards; all of them after the ``with`` block."""
        return tuple(self._entries)

    def write(self, line: str) -> None:
        """Write one source file's line."""
        if self._zipped is None:
            self._raw = (self._folder / self._name()).open("wb")
            self._zipped = gzip.GzipFile(
                filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._raw, mtime=0
            )
        encoded = line.encode()
        self._zipped.write(encoded)
        self._files += 1
        self._bytes += len(encoded)
        if self._bytes >= self._shard_bytes:
            self._finish()

    def _name(self) -> str:
        return f"{self._split}-{len(self._entries):05}.jsonl.gz"

    def _finish(self) -> None:
        if self._zipped is None or self._raw is None:
            return
        self._zipped.close()
        self._raw.close()
        self._zipped = self._raw = None
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
