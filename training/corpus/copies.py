r"""Finds copies: of the evaluation data, and of files that were kept before.

Texts are compared by runs of consecutive words. Words are what ``\w+`` matches, in
lower case: layout, punctuation and quotes may change without hiding a copy.

- A file is contaminated if a run of ten words of it is in the evaluation data too.
- Two files are near-duplicates if they share most runs of five words: MinHash
  estimates the share, locality-sensitive hashing finds the candidates.

Sources: Broder, On the resemblance and containment of documents, 1997; Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import datasketch
import numpy as np
import numpy.typing as npt
from datasketch import LeanMinHash, MinHash, MinHashLSH

from lsp_server.errors import CorpusError
from training.corpus.output import Dropped, FileRecord, count_dropped

__all__ = [
    "NEAR_DUPLICATES",
    "PERMUTATIONS",
    "EvaluationRuns",
    "Hashes",
    "NearDuplicates",
    "Selected",
    "Selector",
    "Signature",
    "hash_runs",
    "hash_words",
    "read_evaluation_data",
    "sign",
]

Hashes: TypeAlias = npt.NDArray[np.uint64]
Signature: TypeAlias = npt.NDArray[np.uint32]
"""The minima of a text's hashed runs under each permutation, shape (128,)."""

PERMUTATIONS = 128
_BANDS, _ROWS = 16, 8
"""16 bands of 8 find 95 % of the pairs that share 0.8 of their runs, 6 % at 0.5."""

_CONTAMINATED_WORDS = 10
_DUPLICATE_WORDS = 5
_SCHEME = "affine32"
_SEED = 1
_BLOCK = 2_048
"""Runs hashed at a time; their products fit into a core's cache."""

NEAR_DUPLICATES: Mapping[str, int | str] = MappingProxyType(
    {
        "near_duplicate_words": _DUPLICATE_WORDS,
        "near_duplicate_permutations": PERMUTATIONS,
        "near_duplicate_bands": _BANDS,
        "near_duplicate_seed": _SEED,
        "near_duplicate_hash": f"datasketch {datasketch.__version__} {_SCHEME}",
    }
)
"""What decides, besides the threshold, which files are near-duplicates."""

_WORD = re.compile(r"\w+")
# Odd multipliers; the second and third are those of splitmix64, which spread every bit
# over the whole number (https://prng.di.unimi.it/splitmix64.c).
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)

_TASK_PARTS = ("prompt", "canonical_solution", "suffix")
"""The parts of a fill-in-the-middle task in the order of the document."""


def hash_words(text: str) -> Hashes:
    """Hash each word of a text, in order, shape (words,), alike in every process."""
    words = _WORD.findall(text.lower())
    return np.fromiter(
        (zlib.crc32(word.encode()) for word in words), dtype=np.uint64, count=len(words)
    )


def hash_runs(words: Hashes, length: int) -> Hashes:
    """Hash each run of ``length`` words, shape (words - length + 1,) or (0,)."""
    count = len(words) - length + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    mixed = np.zeros(count, dtype=np.uint64)
    for shift in range(length):
        # Unsigned arrays wrap around, as the hash needs it.
        mixed = mixed * _BASE + words[shift : shift + count]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return mixed ^ (mixed >> np.uint64(31))


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationRuns:
    """The runs of words that may not be in the corpus.

    Attributes:
        hashes: Their hashes, ascending.
    """

    hashes: Hashes

    def is_in(self, words: Hashes) -> bool:
        """Return whether a text of these words shares a run with the data."""
        runs = hash_runs(words, _CONTAMINATED_WORDS)
        if not len(self.hashes) or not len(runs):
            return False
        places = np.searchsorted(self.hashes, runs)
        places[places == len(self.hashes)] = 0
        return bool(np.any(self.hashes[places] == runs))


def read_evaluation_data(
    files: Iterable[Path],
) -> tuple[EvaluationRuns, dict[str, str]]:
    """Read the evaluation data: JSON lines, or any other text, gzipped or not.

    Of each JSON object every text value counts, and its prompt, canonical solution and
    suffix joined, as a copy may run across their borders.

    Returns:
        The runs, and the SHA-256 of each file by its name.

    Raises:
        CorpusError: A file cannot be read, or has no run of ten words.
    """
    runs: list[Hashes] = []
    hashes: dict[str, str] = {}
    for path in files:
        content = _read(path)
        found = [
            hash_runs(hash_words(text), _CONTAMINATED_WORDS) for text in _texts(content)
        ]
        if not sum(map(len, found)):
            raise CorpusError(
                f"the evaluation data has no {_CONTAMINATED_WORDS} words in a row",
                subject=str(path),
                remedy="Check that this is the right file",
            )
        runs += found
        hashes[path.name] = hashlib.sha256(content).hexdigest()
    every = np.concatenate([np.empty(0, dtype=np.uint64), *runs])
    return EvaluationRuns(np.unique(every)), dict(sorted(hashes.items()))


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as exc:
        raise CorpusError(
            "the evaluation data cannot be read",
            subject=str(path),
            remedy="Name files of JSON lines or text, gzipped or not",
        ) from exc


def _texts(content: bytes) -> Iterator[str]:
    text = content.decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        decoded = [json.loads(line) for line in lines]
    except ValueError:
        yield text
        return
    for task in decoded:
        if isinstance(task, dict):
            yield "".join(str(task.get(part, "")) for part in _TASK_PARTS)
        yield from _strings(task)


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from _strings(list(value.values()))
        case list():
            for inner in value:
                yield from _strings(inner)


def sign(words: Hashes) -> Signature:
    """Return the signature of a text's words.

    A text shorter than a run counts as one run.
    """
    runs = hash_runs(words, min(_DUPLICATE_WORDS, max(1, len(words))))
    distinct = np.unique(runs.astype(np.uint32)).tolist()
    sketch = MinHash(PERMUTATIONS, seed=_SEED, hashfunc=int, scheme=_SCHEME)
    for start in range(0, len(distinct), _BLOCK):
        sketch.update_batch(distinct[start : start + _BLOCK])
    signature: Signature = sketch.hashvalues
    return signature


class NearDuplicates:
    """The signatures of kept texts, to find near-duplicates of them.

    Args:
        threshold: Least estimated share of common runs of near-duplicates.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._index = MinHashLSH(num_perm=PERMUTATIONS, params=(_BANDS, _ROWS))
        self._kept: list[LeanMinHash] = []

    def add(self, signature: Signature) -> bool:
        """Add a text, unless it is a near-duplicate of one added before.

        Returns:
            Whether it was added.
        """
        sketch = LeanMinHash(seed=_SEED, hashvalues=signature, scheme=_SCHEME)
        near = (self._kept[each] for each in self._index.query(sketch))
        if any(sketch.jaccard(each) >= self._threshold for each in near):
            return False
        self._index.insert(len(self._kept), sketch, check_duplication=False)
        self._kept.append(sketch)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The files of one source that are kept.

    Attributes:
        places: Their places among the source's records, ascending.
        records: Their records.
        dropped: The other files, by reason.
    """

    places: tuple[int, ...]
    records: tuple[FileRecord, ...]
    dropped: dict[str, Dropped]


class Selector:
    """Keeps the first of files that are alike.

    Args:
        threshold: Least estimated share of common runs of near-duplicates; above 1,
            only equal files are dropped.
    """

    def __init__(self, threshold: float) -> None:
        self._seen: set[bytes] = set()
        self._near = NearDuplicates(threshold)

    def select(
        self, records: tuple[FileRecord, ...], signatures: npt.NDArray[np.uint32]
    ) -> Selected:
        """Choose among the files of the next source.

        Args:
            records: The files.
            signatures: Their signatures, shape (files, 128).
        """
        places: list[int] = []
        dropped: dict[str, Dropped] = {}
        for place, record in enumerate(records):
            digest = bytes.fromhex(record.sha256)
            if digest in self._seen:
                count_dropped(dropped, "exact duplicate", size_bytes=record.bytes)
            elif self._near.add(signatures[place]):
                places.append(place)
            else:
                count_dropped(dropped, "near-duplicate", size_bytes=record.bytes)
            self._seen.add(digest)
        return Selected(
            places=tuple(places),
            records=tuple(records[place] for place in places),
            dropped=dropped,
        )
