"""The documents of a corpus: read, stored, with their neighbours and their syntax.

Shards are named ``train-*.jsonl.gz`` and ``held-out-*.jsonl.gz``: a JSON object a line,
with at least ``text``; ``package`` and ``path`` say where it comes from.
"""

import ast
import math
import random
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lsp_server.errors import TrainingError
from lsp_server.files import read_json_lines
from lsp_server.text import with_line_feeds

__all__ = [
    "Document",
    "DocumentStore",
    "Outline",
    "Span",
    "draw_snippets",
    "log_uniform",
    "neighbours_of",
    "read_outline",
    "read_shards",
    "write_store",
]

Span: TypeAlias = tuple[int, int]
"""First character, and one past the last."""

_REMEDY = "Build the corpus with training.corpus"

_BETWEEN = "\0"
"""Between the fields of a stored document; no package and no path has it."""


_REACH = 3
"""How many documents to each side are looked at; a package's files are adjacent."""

_MOST_SNIPPETS = 2
_SHORTEST_CHARS, _LONGEST_CHARS = 120, 1200

# Only what Python's tokenizer counts as a line end; `splitlines` splits at more.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A source file, or some lines of one.

    Attributes:
        text: The text, with line feeds.
        package: Name of its package; empty if unknown.
        path: Its path in the package; empty if unknown.
    """

    text: str
    package: str = ""
    path: str = ""


def read_shards(corpus: Path, split: str) -> Iterator[Document]:
    """Yield every document of ``split``, its line ends as line feeds.

    Args:
        corpus: Folder of the corpus.
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
    """Write all documents into one file, and their offsets into one beside it.

    Raises:
        TrainingError: The documents have no text, or the disk no room.
    """
    ends = [0]
    has_text = False
    try:
        with path.open("wb") as file:
            for each in documents:
                stored = _BETWEEN.join((each.package, each.path, each.text))
                ends.append(ends[-1] + file.write(stored.encode("utf-8", "replace")))
                has_text = has_text or bool(each.text)
        np.save(_offsets_path(path), np.array(ends, np.int64))
    except OSError as exc:
        raise _unreadable(path, f"the text cannot be stored ({exc.strerror})") from exc
    if not has_text:
        raise _unreadable(path, "the corpus has no text")


class DocumentStore:
    """Documents by number, in a memory-mapped file that processes share."""

    def __init__(self, path: Path) -> None:
        """Open what `write_store` wrote."""
        self._bytes = np.memmap(path, np.uint8, mode="r")
        self._ends = np.load(_offsets_path(path))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> Document:
        first, last = self._ends[number : number + 2]
        stored = self._bytes[first:last].tobytes().decode()
        package, path, text = stored.split(_BETWEEN, 2)
        return Document(text=text, package=package, path=path)


def _offsets_path(path: Path) -> Path:
    return path.with_suffix(".npy")


def _unreadable(path: Path, what: str) -> TrainingError:
    return TrainingError(what, subject=str(path), remedy=_REMEDY)


def neighbours_of(store: DocumentStore, number: int) -> tuple[Document, ...]:
    """Return the documents near number ``number`` that are of the same package.

    The server chooses snippets among open files by likeness; here any file nearby
    will do.
    """
    package = store[number].package
    places = range(max(number - _REACH, 0), min(number + _REACH + 1, len(store)))
    found = (store[at] for at in places if at != number)
    return tuple(each for each in found if package and each.package == package)


def draw_snippets(
    documents: Sequence[Document], rng: random.Random
) -> tuple[Document, ...]:
    """Draw one or two documents, and some consecutive lines of each."""
    count = min(rng.randint(1, _MOST_SNIPPETS), len(documents))
    return tuple(_snippet(each, rng) for each in rng.sample(list(documents), count))


def _snippet(document: Document, rng: random.Random) -> Document:
    text = document.text
    length = int(log_uniform(_SHORTEST_CHARS, _LONGEST_CHARS, rng))
    at = rng.randrange(max(len(text) - length, 0) + 1)
    first = text.rfind("\n", 0, at) + 1
    last = text.find("\n", min(first + length, len(text)))
    return replace(document, text=text[first : len(text) if last < 0 else last])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Where the syntax nodes of a document lie, in characters.

    Attributes:
        nodes: Every node, as (first character, one past the last).
        statements: The statements that contain no others.
        blocks: Every statement, and every body from its first statement to its last.
    """

    nodes: tuple[Span, ...]
    statements: tuple[Span, ...]
    blocks: tuple[Span, ...]


def read_outline(text: str) -> Outline:
    """Return the outline of ``text``; it is empty if the text does not parse."""
    try:
        # The corpus' code may use deprecated syntax; that is no news here.
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text)
    # ValueError: a null character. The others: too deep for the parser.
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Outline(nodes=(), statements=(), blocks=())
    offsets = _Offsets(text)
    nodes, statements, blocks = set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr | ast.arg | ast.ExceptHandler):
            span = offsets.span(node)
            nodes.add(span)
            if isinstance(node, ast.stmt):
                blocks.add(span)
                if not hasattr(node, "body"):
                    statements.add(span)
                body = getattr(node, "body", [])
                if len(body) > 1:
                    blocks.add((offsets.span(body[0])[0], offsets.span(body[-1])[1]))
    return Outline(
        nodes=tuple(sorted(nodes)),
        statements=tuple(sorted(statements)),
        blocks=tuple(sorted(blocks)),
    )


class _Offsets:
    """Converts lines and UTF-8 columns to offsets in characters."""

    def __init__(self, text: str) -> None:
        self._lines = _LINE.findall(text)
        self._starts = [0, *accumulate(map(len, self._lines))]

    def span(self, node: ast.stmt | ast.expr | ast.arg | ast.ExceptHandler) -> Span:
        """Return the first character of a node, and one past its last."""
        first = self._at(node.lineno, node.col_offset)
        if node.end_lineno is None or node.end_col_offset is None:
            return first, first
        return first, self._at(node.end_lineno, node.end_col_offset)

    def _at(self, line_number: int, column_bytes: int) -> int:
        line = self._lines[line_number - 1]
        if not line.isascii():
            before = line.encode()[:column_bytes]
            column_bytes = len(before.decode(errors="ignore"))
        return int(self._starts[line_number - 1]) + column_bytes


def log_uniform(low: float, high: float, rng: random.Random) -> float:
    """Draw a number between ``low`` and ``high`` whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))
