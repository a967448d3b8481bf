"""The suite ``replay``: gaps in files as their authors left them.

The files are those of any folder, or of a corpus that ``training.corpus`` built, which
sets whole packages aside that no model was trained on. Packages, or the folders in a
folder, take turns, so that a large one does not stand for all.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lsp_server.config import CompletionConfig
from lsp_server.errors import EvaluationError
from lsp_server.modelstore.verify import hash_file
from lsp_server.text import with_line_feeds
from training.eval.cursors import Kind, draw_gap, parse_quietly
from training.eval.documents import Document, canonical
from training.eval.json_lines import find_files, read_lines, text_of
from training.eval.python_files import read_folders
from training.eval.values import Extent, Task

__all__ = ["read_replay"]

_DEFAULT_TASKS = 200
_LONGEST_FILE_CHARS = 60_000
_REMEDY = (
    "Name a folder with Python files with --source, or held-out-*.jsonl.gz files with "
    "--data; `python -m training.corpus build` makes them"
)


def read_replay(
    places: Sequence[Path],
    folders: Sequence[Path],
    config: CompletionConfig,
    *,
    limit: int | None,
    seed: int,
) -> tuple[list[Task], dict[str, str]]:
    """Draw tasks, as many of each kind of cursor, and no two of a kind from one file.

    Args:
        places: Files of a corpus that are held out, or folders of such.
        folders: Folders with Python files.
        config: How long the server lets a completion be.
        limit: Tasks of all kinds together, rounded down to a multiple of the kinds.
        seed: The same seed, data and version of Python give the same tasks.

    Returns:
        The tasks, and the SHA-256 of each thing that they come from, by its name: of
        folders, that of the paths and texts of their files.

    Raises:
        EvaluationError: There is no data, or too little of it.
    """
    data: dict[str, str] = {}
    documents = list(read_folders(folders))
    if folders:
        data[" + ".join(folder.resolve().name for folder in folders)] = _hash(documents)
    if places or not folders:
        files = find_files(places, "held-out-*.jsonl.gz", remedy=_REMEDY)
        data |= {path.name: hash_file(path) for path in files}
        documents += _held_out(files)
    named = [*folders, *places][0]
    return _draw(documents, named, config, limit, seed), data


def _draw(
    documents: Sequence[Document],
    named: Path,
    config: CompletionConfig,
    limit: int | None,
    seed: int,
) -> list[Task]:
    each = (_DEFAULT_TASKS if limit is None else limit) // len(Kind)
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    counts = dict.fromkeys(Kind, 0)
    tasks: list[Task] = []
    for document in _in_turns(documents, rng):
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
            subject=str(named),
            remedy=f"choose another --limit, from {len(Kind)} on, or name more data",
        )
    return tasks


def _held_out(files: Sequence[Path]) -> Iterator[Document]:
    for path in files:
        for row in read_lines(path):
            package = text_of(row, "package", path)
            yield Document(
                package=canonical(package),
                turn=package,
                path=f"{package}/{text_of(row, 'path', path)}",
                text=text_of(row, "text", path),
            )


def _hash(documents: Iterable[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        for part in (document.path, document.text):
            content = part.encode("utf-8", "surrogatepass")
            digest.update(f"{len(content)} ".encode() + content)
    return digest.hexdigest()


def _in_turns(documents: Iterable[Document], rng: random.Random) -> Iterator[Document]:
    """Give a file of each package, then the next of each, in an order by lot."""
    packages: dict[str, list[Document]] = {}
    for document in documents:
        if len(document.text) <= _LONGEST_FILE_CHARS:
            text = with_line_feeds(document.text)
            packages.setdefault(document.turn, []).append(replace(document, text=text))
    turns: dict[int, list[Document]] = {}
    for name in sorted(packages):
        rng.shuffle(packages[name])
        for turn, document in enumerate(packages[name]):
            turns.setdefault(turn, []).append(document)
    for turn in sorted(turns):
        rng.shuffle(turns[turn])
        yield from turns[turn]


def _tasks(
    document: Document, config: CompletionConfig, rng: random.Random
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
        where = document.path
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
            package=document.package,
        )
        yield task, kind
