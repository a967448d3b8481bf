"""Keeps the evaluation data out of the corpus.

A file is contaminated if any run of ten words of it stands in the evaluation data too.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lsp_server.errors import CorpusError
from training.corpus.words import Hashes, hash_runs, hash_words

__all__ = ["RUN_WORDS", "EvaluationRuns", "read_evaluation_data"]

RUN_WORDS = 10
_TASK_PARTS = ("prompt", "canonical_solution", "suffix")
"""The parts of a fill-in-the-middle task in the order of the document."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationRuns:
    """The runs of words that may not be in the corpus.

    Attributes:
        hashes: Their hashes, ascending.
    """

    hashes: Hashes

    def touch(self, words: Hashes) -> bool:
        """Whether a text of these words shares a run with the evaluation data."""
        runs = hash_runs(words, RUN_WORDS)
        if not len(self.hashes) or not len(runs):
            return False
        places = np.searchsorted(self.hashes, runs)
        places[places == len(self.hashes)] = 0
        return bool(np.any(self.hashes[places] == runs))


def read_evaluation_data(
    files: Iterable[Path],
) -> tuple[EvaluationRuns, dict[str, str]]:
    """Read the evaluation data: JSON lines, or any other text, gzipped or not.

    Of each line's object every text value counts, and its prompt, canonical solution
    and suffix joined, since a copy may run across their borders.

    Returns:
        The runs, and the SHA-256 of each file by its name.

    Raises:
        CorpusError: A file cannot be read, or there is no run of words in it.
    """
    runs: list[Hashes] = []
    hashes: dict[str, str] = {}
    for path in files:
        content = _read(path)
        found = [hash_runs(hash_words(text), RUN_WORDS) for text in _texts(content)]
        if not sum(map(len, found)):
            raise CorpusError(
                f"the evaluation data holds no {RUN_WORDS} words in a row",
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
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
