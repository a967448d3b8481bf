"""Pieces in front of a window are lines of the same package's other files."""

import random
from pathlib import Path

import pytest

from training.train.documents import Document, DocumentStore, write_store
from training.train.neighbours import draw_pieces, neighbours_of

TEXT = "".join(f"value_{number} = {number}\n" for number in range(200))


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    """Give two packages of four files, and a file of none."""
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
        pieces = draw_pieces(neighbours_of(store, 0), rng)
        counts.add(len(pieces))
        for piece in pieces:
            assert piece.text.strip()
            assert set(piece.text.splitlines()) <= lines
            assert len(piece.text) < 1300
    assert {1, 2} == counts
