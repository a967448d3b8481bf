"""The stream of rows is one and the same, wherever it is entered."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.train import data
from training.train.config import Stage, TrainConfig
from training.train.data import Position, RowSource, pack, stream
from training.train.documents import read_shards, write_store
from training.train.examples import Example, Role

STAGE = Stage(
    until_share=1.0,
    row_tokens=64,
    shortest_window_tokens=16,
    longest_window_tokens=64,
)
START = Position(item=0, row=0)


@pytest.fixture
def source(
    corpus: Path, tokenizer_folder: Path, tmp_path: Path, tiny_config: TrainConfig
) -> RowSource:
    """Return a stream over the made-up corpus."""
    store = tmp_path / "train.bin"
    write_store(store, read_shards(corpus, "train"))
    return RowSource(
        store=store, tokenizer=tokenizer_folder, cuts=tiny_config.data.cuts, seed=5
    )


@pytest.fixture(autouse=True)
def small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three items of a pass."""
    monkeypatch.setattr(data, "_DOCUMENTS_PER_ITEM", 4)


def draw(source: RowSource, start: Position, count: int) -> list[list[object]]:
    """Draw rows, each with the position behind it."""
    rows = islice(stream(source, STAGE, start, workers=0), count)
    return [[row.tolist(), position] for row, position in rows]


def test_goes_on_from_any_position(source: RowSource) -> None:
    """From behind any row, the stream is what it would have been."""
    whole = draw(source, START, 60)
    assert len({str(row) for row, _ in whole}) > 50
    for at in (0, 7, 30, 41):
        behind = whole[at][1]
        assert isinstance(behind, Position)
        assert whole[at + 1 :] == draw(source, behind, 59 - at)


def test_strides_share_the_stream(source: RowSource) -> None:
    """Two that take every other item have, together, the items of one."""
    items = [source.item(number, STAGE).tolist() for number in range(4)]
    for first in (0, 1):
        start = Position(item=first, row=0)
        rows = stream(source, STAGE, start, workers=0, stride=2)
        expected = items[first] + items[first + 2]
        assert expected == [row.tolist() for row, _ in islice(rows, len(expected))]


def test_seed_decides(source: RowSource) -> None:
    """Another seed is another stream."""
    assert draw(source, START, 5) == draw(replace(source), START, 5)
    assert draw(source, START, 5) != draw(replace(source, seed=6), START, 5)


def test_a_pass_has_each_document_once(source: RowSource) -> None:
    """Read left to right, three items hold all documents, in whole."""
    plain = replace(source, cuts=replace(source.cuts, fim_share=0.0))
    tokens = np.concatenate([plain.item(at, STAGE)[:, 0].ravel() for at in range(3)])
    read = "".join(plain.maker().decode(tokens.tolist()).split())
    for number in range(12):
        assert 1 == read.count(f"classGate{number}:")


def test_workers_change_nothing(
    source: RowSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes give the rows of none."""
    monkeypatch.undo()  # a worker has the real size of an item
    rows = stream(source, STAGE, START, workers=2)
    found = [[row.tolist(), position] for row, position in islice(rows, 40)]
    rows.close()
    assert draw(source, START, 40) == found


@given(lengths=st.lists(st.integers(1, 20), max_size=150))
def test_packing_loses_nothing(lengths: list[int]) -> None:
    """Every example is in one row, whole; the rest is padding without a role."""
    examples = [
        Example(
            tokens=np.full(length, 10 + at, np.uint16),
            roles=np.full(length, Role.MIDDLE, np.uint8),
        )
        for at, length in enumerate(lengths)
    ]
    rows = pack(examples, row_tokens=20, pad_id=4)
    assert (3, 21) == rows.shape[1:]
    ids, counts = np.unique(rows[:, 0], return_counts=True)
    found = {int(at) - 10: int(n) for at, n in zip(ids, counts, strict=True) if at > 4}
    assert dict(enumerate(lengths)) == found
    assert all(len(set(np.where(rows[:, 0] == at)[0])) == 1 for at in ids if at > 4)
    assert ((rows[:, 0] == 4) == (rows[:, 1] == Role.NONE)).all()
    # An example has one number in its row, and no other example, nor padding, has it.
    for row in rows:
        pairs = {(int(number), int(token)) for token, number in row[[0, 2]].T}
        assert len(pairs) == len({number for number, _ in pairs})
        assert len(pairs) == len({token for _, token in pairs})


def test_packing_fills_rows() -> None:
    """With examples of real lengths, little of the rows is padding."""
    lengths = np.random.default_rng(0).integers(60, 500, 1000)
    examples = [
        Example(tokens=np.full(length, 10, np.uint16), roles=np.ones(length, np.uint8))
        for length in lengths
    ]
    rows = pack(examples, row_tokens=1024, pad_id=4)
    assert (rows[:, 0] == 4).mean() < 0.03
