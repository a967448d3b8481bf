"""The corpus on disk: compressed shards to read once, and a store to read anywhere.

Shards are named ``train-*.jsonl.gz`` and ``held-out-*.jsonl.gz``: a JSON object a line,
with at least ``text``; ``package`` and ``path`` say where it comes from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lsp_server.errors import TrainingError
from lsp_server.files import read_json_lines
from lsp_server.text import with_line_feeds

__all__ = ["Document", "DocumentStore", "read_shards", "write_store"]

_REMEDY = "Build the corpus with training.corpus"
_BETWEEN = "\0"
"""Between the fields of a stored document; no package and no path has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A source file, or a piece of one.

    Attributes:
        text: The text, with line feeds.
        package: The package that it is of; empty where that is unknown.
        path: Its path in the package; empty where that is unknown.
    """

    text: str
    package: str = ""
    path: str = ""


def read_shards(corpus: Path, split: str) -> Iterator[Document]:
    """Give every document of ``split``, line ends as an editor sends them.

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
        rows = read_json_lines(
            shard, error=TrainingError, remedy=_REMEDY, texts=("text",)
        )
        for row in rows:
            yield Document(
                text=with_line_feeds(str(row["text"])),
                package=str(row.get("package", "")),
                path=str(row.get("path", "")),
            )


def write_store(path: Path, documents: Iterable[Document]) -> None:
    """Write all documents into one file at ``path``, and their places beside it.

    Raises:
        TrainingError: There is no text, or no room for it.
    """
    ends = [0]
    has_text = False
    try:
        with path.open("wb") as file:
            for each in documents:
                stored = _BETWEEN.join((each.package, each.path, each.text))
                ends.append(ends[-1] + file.write(stored.encode("utf-8", "replace")))
                has_text = has_text or bool(each.text)
        np.save(_places(path), np.array(ends, np.int64))
    except OSError as exc:
        raise _unreadable(path, f"the text cannot be stored ({exc.strerror})") from exc
    if not has_text:
        raise _unreadable(path, "the corpus has no text")


class DocumentStore:
    """Gives documents by number, from a file that all processes share."""

    def __init__(self, path: Path) -> None:
        """Open what `write_store` wrote."""
        self._bytes = np.memmap(path, np.uint8, mode="r")
        self._ends = np.load(_places(path))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> Document:
        first, last = self._ends[number : number + 2]
        stored = self._bytes[first:last].tobytes().decode()
        package, path, text = stored.split(_BETWEEN, 2)
        return Document(text=text, package=package, path=path)


def _places(path: Path) -> Path:
    return path.with_suffix(".npy")


def _unreadable(path: Path, what: str) -> TrainingError:
    return TrainingError(what, subject=str(path), remedy=_REMEDY)
