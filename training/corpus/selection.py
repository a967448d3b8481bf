"""Chooses among the files of all packages those that say something new."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from training.corpus.ingest import Ingested
from training.corpus.minhash import NearDuplicates
from training.corpus.values import Dropped, FileRecord

__all__ = ["Selected", "Selector"]

EXACT = "exact duplicate"
NEAR = "near-duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What is kept of one source.

    Attributes:
        places: Places of the kept files among the source's records, ascending.
        records: Their records.
        dropped: What was not kept, by reason.
    """

    places: tuple[int, ...]
    records: tuple[FileRecord, ...]
    dropped: dict[str, Dropped]


class Selector:
    """Keeps the first of files that are alike, in the order in which they come.

    Args:
        threshold: Least estimated share of common runs of words that makes two files
            near-duplicates; above 1, only equal files are dropped.
    """

    def __init__(self, threshold: float) -> None:
        self._seen: set[bytes] = set()
        self._near = NearDuplicates(threshold)

    def select(self, ingested: Ingested) -> Selected:
        """Choose among one source's files, and remember them."""
        places: list[int] = []
        lost: dict[str, list[FileRecord]] = {EXACT: [], NEAR: []}
        for place, record in enumerate(ingested.records):
            digest = bytes.fromhex(record.sha256)
            if digest in self._seen:
                lost[EXACT].append(record)
                continue
            self._seen.add(digest)
            # A copy, lest one kept row keep the whole source's array.
            if self._near.add(np.array(ingested.signatures[place])):
                places.append(place)
            else:
                lost[NEAR].append(record)
        return Selected(
            places=tuple(places),
            records=tuple(ingested.records[place] for place in places),
            dropped={reason: _count(gone) for reason, gone in lost.items() if gone},
        )


def _count(records: Iterable[FileRecord]) -> Dropped:
    sizes = [record.bytes for record in records]
    return Dropped(files=len(sizes), bytes=sum(sizes))
