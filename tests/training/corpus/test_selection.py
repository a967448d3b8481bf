"""The first of what is alike is kept, in this source or another."""

import hashlib

import numpy as np
import pytest

from training.corpus.ingest import Ingested
from training.corpus.minhash import sign
from training.corpus.selection import Selector
from training.corpus.values import Dropped, FileRecord
from training.corpus.words import hash_words


def ingested(*texts: str) -> Ingested:
    """Make what was read of a source with these texts."""
    return Ingested(
        records=tuple(
            FileRecord(
                path=f"{n}.py",
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                characters=len(text),
                bytes=len(text),
            )
            for n, text in enumerate(texts)
        ),
        signatures=np.stack([sign(hash_words(text)) for text in texts]),
        dropped={},
        damaged=False,
    )


def words(start: int, stop: int) -> str:
    """Make a text of numbered words."""
    return " ".join(f"word{n}" for n in range(start, stop))


FIRST, LIKE_FIRST, OTHER = words(0, 400), words(5, 405), words(1_000, 1_400)


def test_keeps_the_first_of_a_kind() -> None:
    """Equal and similar files are dropped, each counted under its reason."""
    selected = Selector(0.8).select(ingested(FIRST, FIRST, LIKE_FIRST, OTHER))
    assert (0, 3) == selected.places
    assert ["0.py", "3.py"] == [record.path for record in selected.records]
    assert {
        "exact duplicate": Dropped(files=1, bytes=len(FIRST)),
        "near-duplicate": Dropped(files=1, bytes=len(LIKE_FIRST)),
    } == selected.dropped


@pytest.mark.parametrize("again", [FIRST, LIKE_FIRST])
def test_remembers_earlier_sources(again: str) -> None:
    """A copy in another package is a copy, also if that one is held out."""
    selector = Selector(0.8)
    selector.select(ingested(FIRST))
    assert (1,) == selector.select(ingested(again, OTHER)).places


def test_threshold_can_be_out_of_reach() -> None:
    """Above 1, only equal files are dropped."""
    selected = Selector(1.1).select(ingested(FIRST, FIRST, LIKE_FIRST))
    assert (0, 2) == selected.places
