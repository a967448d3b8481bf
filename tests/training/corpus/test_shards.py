"""Shards hold the lines in order, and the same lines give the same bytes."""

import gzip
import hashlib
from pathlib import Path

import pytest

from training.corpus.shards import ShardWriter
from training.corpus.values import ShardEntry

LINES = [f"{n:04} {'x' * (n % 50)}\n" for n in range(200)]


def write(folder: Path, *, shard_bytes: int) -> tuple[ShardEntry, ...]:
    """Write the lines."""
    folder.mkdir()
    with ShardWriter(folder, split="train", shard_bytes=shard_bytes) as writer:
        for line in LINES:
            writer.write(line)
    return writer.entries


@pytest.mark.parametrize(
    ("shard_bytes", "shards"), [(1, 200), (1_000, None), (1_000_000, 1)]
)
def test_keeps_every_line(tmp_path: Path, shard_bytes: int, shards: int | None) -> None:
    """The shards in their order hold the lines in theirs, at every size."""
    entries = write(tmp_path / "out", shard_bytes=shard_bytes)
    files = [tmp_path / "out" / entry.name for entry in entries]
    assert sorted((tmp_path / "out").iterdir()) == files
    assert "".join(LINES) == "".join(
        gzip.decompress(path.read_bytes()).decode() for path in files
    )
    assert len(LINES) == sum(entry.files for entry in entries)
    assert shards is None or shards == len(entries)


def test_describes_what_lies_on_disk(tmp_path: Path) -> None:
    """Size and hash are those of the file."""
    for entry in write(tmp_path / "out", shard_bytes=1_000):
        content = (tmp_path / "out" / entry.name).read_bytes()
        assert len(content) == entry.bytes
        assert hashlib.sha256(content).hexdigest() == entry.sha256


def test_bytes_do_not_depend_on_folder_or_time(tmp_path: Path) -> None:
    """Neither a file's name nor the time is in it."""
    (tmp_path / "deep").mkdir()
    first = write(tmp_path / "first", shard_bytes=1_000)
    second = write(tmp_path / "deep" / "second", shard_bytes=1_000)
    assert first == second


def test_writes_no_empty_shard(tmp_path: Path) -> None:
    """Without lines there is no file."""
    with ShardWriter(tmp_path, split="train", shard_bytes=1) as writer:
        pass
    assert () == writer.entries
    assert [] == list(tmp_path.iterdir())
