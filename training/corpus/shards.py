"""Writes the corpus as gzipped JSON lines, in files of a bounded size."""

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Self

from lsp_server.files import JsonLinesWriter
from training.corpus.values import ShardEntry

__all__ = ["ShardWriter"]


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
        self._shard: JsonLinesWriter | None = None
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
