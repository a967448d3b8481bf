"""The corpus on disk: compressed shards to read once, and a store to read anywhere.

Shards are named ``train-*.jsonl.gz`` and ``held-out-*.jsonl.gz``: a JSON object a line,
with at least ``text``.
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lsp_server.errors import TrainingError

__all__ = ["DocumentStore", "read_shards", "write_store"]


def read_shards(corpus: Path, split: str) -> Iterator[str]:
    """Give the text of every document of ``split``, line ends as an editor sends them.

    Args:
        corpus: The corpus' folder.
        split: ``train`` or ``held-out``.

    Raises:
        TrainingError: There is no shard, or one cannot be read.
    """
    shards = sorted(corpus.glob(f"{split}-*.jsonl.gz"))
    if not shards:
        raise _unreadable(corpus, f"there is no shard {split}-*.jsonl.gz")
    for shard in shards:
        try:
            with gzip.open(shard, "rt", encoding="utf-8") as lines:
                for line in lines:
                    text = str(json.loads(line)["text"])
                    yield text.replace("\r\n", "\n").replace("\r", "\n")
        except (OSError, EOFError) as exc:
            raise _unreadable(shard, f"the shard cannot be read ({exc})") from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise _unreadable(shard, "a line is not an object with a text") from exc


def write_store(path: Path, texts: Iterable[str]) -> None:
    """Write all texts into one file at ``path``, and their places beside it.

    Raises:
        TrainingError: There is no text, or no room for it.
    """
    ends = [0]
    try:
        with path.open("wb") as file:
            for text in texts:
                ends.append(ends[-1] + file.write(text.encode("utf-8", "replace")))
        np.save(_places(path), np.array(ends, np.int64))
    except OSError as exc:
        raise _unreadable(path, f"the text cannot be stored ({exc.strerror})") from exc
    if ends[-1] == 0:
        raise _unreadable(path, "the corpus has no text")


class DocumentStore:
    """Gives texts by number, from a file that all processes share."""

    def __init__(self, path: Path) -> None:
        """Open what `write_store` wrote."""
        self._bytes = np.memmap(path, np.uint8, mode="r")
        self._ends = np.load(_places(path))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        first, last = self._ends[number : number + 2]
        return self._bytes[first:last].tobytes().decode()


def _places(path: Path) -> Path:
    return path.with_suffix(".npy")


def _unreadable(path: Path, what: str) -> TrainingError:
    return TrainingError(
        what, subject=str(path), remedy="Build the corpus with models.corpus"
    )
