"""Documents are read as they were written, and so are their neighbours."""

import gzip
import random
from pathlib import Path

import pytest

from lsp_server.errors import TrainingError
from training.train.documents import (
    Document,
    DocumentStore,
    draw_snippets,
    neighbours_of,
    read_shards,
    write_store,
)


def test_reads_both_splits(corpus: Path) -> None:
    """Shards come in the order of their names."""
    texts = list(read_shards(corpus, "train"))
    assert 12 == len(texts)
    assert ("made-up", "src/gate.py") == (texts[7].package, texts[7].path)
    assert texts[7].text.startswith('"""Counts what passes gate 7."""\n')
    assert 3 == len(list(read_shards(corpus, "held-out")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing compressed", "cannot be read"),
        (gzip.compress(b'{"package": "a"}\n'), "line 1 has no text 'text'"),
        (None, "there is no shard"),
    ],
    ids=["plain", "no text", "missing"],
)
def test_refuses_a_damaged_corpus(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    """The error names the shard and what is wrong."""
    if content is not None:
        (tmp_path / "train-0.jsonl.gz").write_bytes(content)
    with pytest.raises(TrainingError, match=message):
        list(read_shards(tmp_path, "train"))


def test_store_gives_texts_by_number(tmp_path: Path) -> None:
    """Any text comes back, also an empty one; a lone surrogate is a question mark."""
    texts = ["a = 1\n", "", "'ä'\U0001f600", "a\0b\0c", "\ud800"]
    given = [Document(text=each, package="p", path="a/b.py") for each in texts]
    write_store(tmp_path / "s.bin", given)
    store = DocumentStore(tmp_path / "s.bin")
    last = Document(text="?", package="p", path="a/b.py")
    assert [*given[:-1], last] == [store[at] for at in range(len(store))]


def test_line_ends_are_an_editors(tmp_path: Path) -> None:
    """Line ends of all systems become line feeds."""
    with gzip.open(tmp_path / "train-0.jsonl.gz", "wt") as file:
        file.write('{"text": "a\\r\\nb\\rc\\n"}\n')
    assert [Document(text="a\nb\nc\n")] == list(read_shards(tmp_path, "train"))


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        ("s.bin", ["", ""], "the corpus has no text"),
        ("no/s.bin", ["a"], "the text cannot be stored"),
    ],
    ids=["empty", "no folder"],
)
def test_tells_what_cannot_be_stored(
    tmp_path: Path, name: str, texts: list[str], message: str
) -> None:
    """No text, or no place for it, is reported."""
    with pytest.raises(TrainingError, match=message):
        write_store(tmp_path / name, [Document(text=each) for each in texts])


TEXT = "".join(f"value_{number} = {number}\n" for number in range(200))


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    """Return two packages of four files, and a file of none."""
    documents = [
        Document(text=f"{TEXT}{package}{at}", package=package, path=f"{at}.py")
        for package in ("a", "b")
        for at in range(4)
    ]
    write_store(tmp_path / "s.bin", [*documents, Document(text="x"), Document(text="")])
    return DocumentStore(tmp_path / "s.bin")


def test_only_the_same_package(store: DocumentStore) -> None:
    """Neither the file itself, nor another package, nor a file of none."""
    assert [1, 2, 3] == [int(each.path[0]) for each in neighbours_of(store, 0)]
    assert {"b"} == {each.package for each in neighbours_of(store, 4)}
    assert [0, 1, 2] == [int(each.path[0]) for each in neighbours_of(store, 7)]
    assert () == neighbours_of(store, 8)


def test_pieces_are_whole_lines(store: DocumentStore) -> None:
    """One or two files, some lines in a row of each."""
    lines = set(TEXT.splitlines()) | {"a1", "a2", "a3"}
    counts = set()
    for seed in range(50):
        rng = random.Random(seed)  # noqa: S311  # guards nothing
        pieces = draw_snippets(neighbours_of(store, 0), rng)
        counts.add(len(pieces))
        for piece in pieces:
            assert piece.text.strip()
            assert set(piece.text.splitlines()) <= lines
            assert len(piece.text) < 1300
    assert {1, 2} == counts
