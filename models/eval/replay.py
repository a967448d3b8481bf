"""The suite ``replay``: gaps in files of packages that no model was trained on.

The files come from a corpus that ``models.corpus`` built, which sets whole packages
aside. Packages take turns, so that a large one does not stand for all.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsp_server.config import CompletionConfig
from lsp_server.errors import EvaluationError
from models.eval.cursors import Kind, draw_gap, parse_quietly
from models.eval.json_lines import find_files, read_lines, text_of
from models.eval.values import Extent, Task

__all__ = ["read_replay"]

_DEFAULT_TASKS = 200
_LONGEST_FILE_CHARS = 60_000
_REMEDY = (
    "Name held-out-*.jsonl.gz files, or the folder of a corpus, with --data; "
    "`python -m models.corpus build` makes one"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """A file of a held-out package.

    Attributes:
        package: The package's name.
        path: The file's path in it.
        text: Its text, with line feeds.
    """

    package: str
    path: str
    text: str


def read_replay(
    places: Sequence[Path],
    config: CompletionConfig,
    *,
    limit: int | None,
    seed: int,
) -> tuple[list[Task], list[Path]]:
    """Draw tasks, as many of each kind of cursor, and no two of a kind from one file.

    Args:
        places: Files or folders.
        config: How long the server lets a completion be.
        limit: Tasks of all kinds together, rounded down to a multiple of the kinds.
        seed: The same seed, data and version of Python give the same tasks.

    Returns:
        The tasks, and the files that they come from.

    Raises:
        EvaluationError: There is no data, or too little of it.
    """
    files = find_files(places, "held-out-*.jsonl.gz", remedy=_REMEDY)
    each = (_DEFAULT_TASKS if limit is None else limit) // len(Kind)
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    counts = dict.fromkeys(Kind, 0)
    tasks: list[Task] = []
    for document in _in_turns(_documents(files), rng):
        if all(count >= each for count in counts.values()):
            break
        for task, kind in _tasks(document, config, rng):
            if counts[kind] < each:
                counts[kind] += 1
                tasks.append(task)
    if not each or min(counts.values()) < each:
        raise EvaluationError(
            f"{each} cursors of each kind cannot be had of it: "
            + ", ".join(f"{kind.value} {counts[kind]}" for kind in Kind),
            subject=str(places[0]),
            remedy=f"choose another --limit, from {len(Kind)} on, or name more data",
        )
    return tasks, files


def _documents(files: Sequence[Path]) -> Iterator[_Document]:
    for path in files:
        for row in read_lines(path):
            text = text_of(row, "text", path)
            if len(text) <= _LONGEST_FILE_CHARS:
                yield _Document(
                    package=text_of(row, "package", path),
                    path=text_of(row, "path", path),
                    text=text.replace("\r\n", "\n").replace("\r", "\n"),
                )


def _in_turns(
    documents: Iterator[_Document], rng: random.Random
) -> Iterator[_Document]:
    """Give a file of each package, then the next of each, in an order by lot."""
    packages: dict[str, list[_Document]] = {}
    for document in documents:
        packages.setdefault(document.package, []).append(document)
    turns: dict[int, list[_Document]] = {}
    for name in sorted(packages):
        rng.shuffle(packages[name])
        for turn, document in enumerate(packages[name]):
            turns.setdefault(turn, []).append(document)
    for turn in sorted(turns):
        rng.shuffle(turns[turn])
        yield from turns[turn]


def _tasks(
    document: _Document, config: CompletionConfig, rng: random.Random
) -> Iterator[tuple[Task, Kind]]:
    """Give a task of each kind that the file has a place for."""
    tree = parse_quietly(document.text)
    if tree is None:
        return
    extents: Mapping[Kind, Extent] = {Kind.EMPTY_BODY: Extent.BLOCK}
    for kind in Kind:
        gap = draw_gap(document.text, tree, kind, rng)
        if gap is None:
            continue
        extent = extents.get(kind, Extent.LINE)
        where = f"{document.package}/{document.path}"
        task = Task(
            task_id=f"{where}@{gap.start}-{gap.end}",
            category=kind.value,
            group=where,
            prefix=document.text[: gap.start],
            middle=document.text[gap.start : gap.end],
            suffix=document.text[gap.end :],
            extent=extent,
            max_tokens=config.max_block_tokens
            if extent is Extent.BLOCK
            else config.max_line_tokens,
        )
        yield task, kind
