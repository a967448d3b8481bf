"""The suites of tasks: ``human-eval-infilling`` and ``replay``.

``human-eval-infilling`` has gaps in solutions of HumanEval: one line in the single-line
set, any span in the random-span sets. Its data is not part of Midfill.

``replay`` has gaps in source files as their authors left them: files of any folder, or
held-out files of a corpus that ``training.corpus`` built, which no model was trained
on. Packages, or the subfolders of a folder, alternate, so that a large one does not
dominate.

Source: Bavarian et al., arXiv 2207.14255; github.com/openai/human-eval-infilling.
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
from training.eval.cursors import Kind, draw_gap, parse_or_none
from training.eval.data import (
    Document,
    canonical_name,
    find_files,
    read_folders,
    read_texts,
)
from training.eval.values import Extent, Task

__all__ = ["read_human_eval", "read_replay"]

_SETS: Mapping[str, tuple[str, Extent, int]] = {
    "SingleLineInfilling": ("single-line", Extent.LINE, 96),
    "RandomSpanInfillingLight": ("random-span-light", Extent.SPAN, 256),
    "RandomSpanInfilling": ("random-span", Extent.SPAN, 256),
    "MultiLineInfilling": ("multi-line", Extent.SPAN, 256),
}
"""Category, extent and maximum tokens of an answer, by the first part of a task's id.

The longest missing line has 40 tokens of the starter's vocabulary, the longest span of
the light set 120.
"""

_HUMAN_EVAL_REMEDY = (
    "Name *.jsonl.gz files of github.com/openai/human-eval-infilling, or a folder of "
    "them, with --data"
)
_REPLAY_REMEDY = (
    "Name a folder with Python files with --source, or held-out-*.jsonl.gz files with "
    "--data; `python -m training.corpus build` makes them"
)
_HUMAN_EVAL_KEYS = (
    "task_id",
    "entry_point",
    "prompt",
    "canonical_solution",
    "suffix",
    "test",
)
_HELD_OUT_KEYS = ("package", "path", "text")
_DEFAULT_REPLAY_TASKS = 200
_MAX_FILE_CHARS = 60_000


def read_human_eval(
    places: Sequence[Path], *, limit: int | None, seed: int
) -> tuple[list[Task], list[Path]]:
    """Read the benchmark's tasks; ``limit`` draws as many of each category.

    Returns:
        The tasks in the order of the files, and those files.

    Raises:
        EvaluationError: There is no data, or it is not this benchmark's.
    """
    files = find_files(places, "*.jsonl.gz", remedy=_HUMAN_EVAL_REMEDY)
    tasks: dict[str, Task] = {}
    for path in files:
        for row in read_texts(path, _HUMAN_EVAL_KEYS, remedy=_HUMAN_EVAL_REMEDY):
            task = _human_eval_task(row, path)
            tasks[task.task_id] = task
    if not tasks:
        raise EvaluationError(
            "there is no task in it", subject=str(files[0]), remedy=_HUMAN_EVAL_REMEDY
        )
    return _sample(list(tasks.values()), limit, seed), files


def read_replay(
    places: Sequence[Path],
    folders: Sequence[Path],
    config: CompletionConfig,
    *,
    limit: int | None,
    seed: int,
) -> tuple[list[Task], dict[str, str]]:
    """Draw equally many tasks of each kind of cursor, one of a kind from each file.

    Args:
        places: Held-out files of a corpus, or folders of such files.
        folders: Folders with Python files.
        config: The server's limits of a completion's length.
        limit: Tasks of all kinds together, rounded down to a multiple of the kinds.
        seed: The same seed, data and version of Python give the same tasks.

    Returns:
        The tasks, and the SHA-256 of each source, by its name; of folders, the hash of
        their files' paths and texts.

    Raises:
        EvaluationError: There is no data, or too little.
    """
    data: dict[str, str] = {}
    documents = list(read_folders(folders))
    if folders:
        data[" + ".join(folder.resolve().name for folder in folders)] = _hash(documents)
    if places or not folders:
        files = find_files(places, "held-out-*.jsonl.gz", remedy=_REPLAY_REMEDY)
        data |= {path.name: hash_file(path) for path in files}
        documents += _held_out(files)
    first_place = [*folders, *places][0]
    return _draw_replay(documents, first_place, config, limit, seed), data


def _human_eval_task(row: Mapping[str, str], path: Path) -> Task:
    task_id = row["task_id"]
    name, _, rest = task_id.partition("/")
    if name not in _SETS:
        raise EvaluationError(
            f"the task {task_id!r} is of no set that Midfill knows",
            subject=str(path),
            remedy=_HUMAN_EVAL_REMEDY,
        )
    category, extent, max_tokens = _SETS[name]
    entry_point = row["entry_point"]
    return Task(
        task_id=task_id,
        category=category,
        # Benchmark and problem, such as HumanEval/12.
        group="/".join(rest.split("/")[:2]),
        prefix=row["prompt"],
        middle=row["canonical_solution"],
        suffix=row["suffix"],
        extent=extent,
        max_tokens=max_tokens,
        test=f"{row['test']}\ncheck({entry_point})\n",
    )


def _sample(tasks: Sequence[Task], limit: int | None, seed: int) -> list[Task]:
    """Draw at most ``limit`` tasks of each category, in their order."""
    if limit is None:
        return list(tasks)
    kept: set[str] = set()
    for category in dict.fromkeys(task.category for task in tasks):
        ids = [task.task_id for task in tasks if task.category == category]
        rng = random.Random(f"{seed}/{category}")  # noqa: S311 - a sample, no secret
        kept.update(rng.sample(ids, min(limit, len(ids))))
    return [task for task in tasks if task.task_id in kept]


def _draw_replay(
    documents: Sequence[Document],
    place: Path,
    config: CompletionConfig,
    limit: int | None,
    seed: int,
) -> list[Task]:
    each = (_DEFAULT_REPLAY_TASKS if limit is None else limit) // len(Kind)
    if not each:
        raise EvaluationError(
            f"{limit} tasks are less than one of each of the {len(Kind)} kinds",
            subject="--limit",
            remedy=f"Choose {len(Kind)} or more",
        )
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    counts = dict.fromkeys(Kind, 0)
    tasks: list[Task] = []
    for document in _in_turns(documents, rng):
        if all(count >= each for count in counts.values()):
            break
        for task, kind in _replay_tasks(document, config, rng):
            if counts[kind] < each:
                counts[kind] += 1
                tasks.append(task)
    if min(counts.values()) < each:
        raise EvaluationError(
            f"there are not {each} cursors of each kind in the data: "
            + ", ".join(f"{kind.value} {counts[kind]}" for kind in Kind),
            subject=str(place),
            remedy="choose a smaller --limit, or name more data",
        )
    return tasks


def _held_out(files: Sequence[Path]) -> Iterator[Document]:
    for path in files:
        for row in read_texts(path, _HELD_OUT_KEYS, remedy=_REPLAY_REMEDY):
            package = row["package"]
            yield Document(
                package=canonical_name(package),
                turn=package,
                path=f"{package}/{row['path']}",
                text=row["text"],
            )


def _hash(documents: Iterable[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        for part in (document.path, document.text):
            content = part.encode("utf-8", "surrogatepass")
            digest.update(f"{len(content)} ".encode() + content)
    return digest.hexdigest()


def _in_turns(documents: Iterable[Document], rng: random.Random) -> Iterator[Document]:
    """Yield a file of each package in random order, then another of each, and so on."""
    packages: dict[str, list[Document]] = {}
    for document in documents:
        if len(document.text) <= _MAX_FILE_CHARS:
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


def _replay_tasks(
    document: Document, config: CompletionConfig, rng: random.Random
) -> Iterator[tuple[Task, Kind]]:
    """Yield one task for each kind of cursor that the file has."""
    tree = parse_or_none(document.text)
    if tree is None:
        return
    for kind in Kind:
        gap = draw_gap(document.text, tree, kind, rng)
        if gap is None:
            continue
        is_block = kind is Kind.EMPTY_BODY
        task = Task(
            task_id=f"{document.path}@{gap.start}-{gap.end}",
            category=kind.value,
            group=document.path,
            prefix=document.text[: gap.start],
            middle=document.text[gap.start : gap.end],
            suffix=document.text[gap.end :],
            extent=Extent.BLOCK if is_block else Extent.LINE,
            max_tokens=config.max_block_tokens if is_block else config.max_line_tokens,
            package=document.package,
        )
        yield task, kind
