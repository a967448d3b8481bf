"""Shards hold the lines, a package is in one split for good, and each is attributed."""

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.corpus.attribution import render_attributions
from training.corpus.output import (
    HELD_OUT,
    TRAIN,
    PackageEntry,
    ShardEntry,
    ShardWriter,
    split_of,
)

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


NAMES = st.text("abcdefghij-0123456789", min_size=1, max_size=20)
SHARES = st.floats(0, 1)


@given(name=NAMES, first=SHARES, second=SHARES)
def test_a_greater_share_only_adds(name: str, first: float, second: float) -> None:
    """What is held out at a share is held out at every greater one."""
    less, more = sorted((first, second))
    if split_of(name, held_out_share=less) == HELD_OUT:
        assert HELD_OUT == split_of(name, held_out_share=more)


@given(name=NAMES)
def test_the_ends(name: str) -> None:
    """Nothing is held out at 0, and everything at 1."""
    assert TRAIN == split_of(name, held_out_share=0)
    assert HELD_OUT == split_of(name, held_out_share=1)


def test_holds_out_the_share() -> None:
    """Of many packages about the share is held out."""
    sides = [split_of(f"package-{n}", held_out_share=0.1) for n in range(5_000)]
    assert 400 < sides.count(HELD_OUT) < 600


def test_never_changes() -> None:
    """The split of today is that of the models trained earlier."""
    names = ["attrs", "click", "flask", "httpx", "jinja2", "numpy", "rich", "urllib3"]
    held_out = [n for n in names if split_of(n, held_out_share=0.5) == HELD_OUT]
    assert ["attrs", "httpx", "numpy", "rich", "urllib3"] == held_out


def entry(name: str, home_page: str) -> PackageEntry:
    """Return a package's entry."""
    return PackageEntry(
        name=name,
        version="1.0",
        licence="MIT OR Apache-2.0",
        home_page=home_page,
        split="train",
        files=1,
        characters=1,
        sha256="0",
    )


@pytest.mark.parametrize(
    ("home_page", "cell"),
    [
        ("https://alpha.example", "https://alpha.example"),
        ("", ""),
        ("a | b\nc\\", "a \\| b c\\\\"),
    ],
)
def test_names_each_package(home_page: str, cell: str) -> None:
    """One row each; nothing that a package says can break the table."""
    packages = [entry("alpha", home_page), entry("beta", "")]
    text = render_attributions(packages)["ATTRIBUTION.md"]
    assert f"| alpha | 1.0 | MIT OR Apache-2.0 | {cell} |\n" in text
    assert "| beta | 1.0 | MIT OR Apache-2.0 |  |\n" in text
