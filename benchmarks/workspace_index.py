"""Measure the workspace's index: the time and memory to make it, and what it answers.

Copies of source files, picked by the seed where there are more than asked for, are
indexed as the server does it, in a thread beside an event loop, once from nothing and
once where nothing has changed. Then the providers are asked at cursors of its files.

``--before CHECKOUT`` measures the ``lsp_server`` of another checkout as well, with the
same files, in processes that take turns with those of this one; then the figures of
both are in the result, and their ratios.
"""

import argparse
import asyncio
import dataclasses
import gc
import itertools
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import psutil

from benchmarks.figures import circumstances, median, percentile, table, write_result
from lsp_server.config import ContextConfig
from lsp_server.file_languages import language_id_of
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.definitions.provider import Definitions
from lsp_server.project.definitions.tags import defined_names
from lsp_server.project.index.index_file import index_path
from lsp_server.project.index.provider import WorkspaceIndex
from lsp_server.project.index.source_files import kind_of
from lsp_server.project.provider import FoldersChanged, Provider, Query
from lsp_server.values import Snapshot

_RESULTS = Path(__file__).resolve().parent / "results"
_TICK_S = 0.001

_Row: TypeAlias = dict[str, str | float]
_MOST_CHARS = 200_000
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
"""A folder of packages would be no source of the workspace's own where it lies."""


class _Scanned(logging.Handler):
    """Notices that the index is up to date."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Set the event once a scan has ended."""
        if record.getMessage() == "index.scanned":
            self._loop.call_soon_threadsafe(self.event.set)


def _index(root: Path) -> WorkspaceIndex:
    """Make the provider, and have it index a folder."""
    provider = WorkspaceIndex(ContextConfig, PathRules(), defined_names=defined_names)
    provider.take(FoldersChanged(folders=(root.as_uri(),)))
    return provider


async def _indexed(root: Path) -> tuple[WorkspaceIndex, dict[str, float]]:
    """Index a folder; return the provider, and what that cost."""
    process = psutil.Process()
    scanned = _Scanned(asyncio.get_running_loop())
    logger = logging.getLogger("lsp_server.project.index.indexer")
    logger.addHandler(scanned)
    logger.setLevel(logging.DEBUG)
    # As the server does once its engine is loaded: what is imported stays.
    gc.freeze()
    before, most = process.memory_info().rss, 0
    cpu_s, began_s = time.process_time(), time.perf_counter()
    provider = _index(root)
    late_ms, held_ms = [], []
    while not scanned.event.is_set():
        queued_ms = _queued_ms()
        due_s = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        late_ms.append((time.perf_counter() - due_s) * 1e3)
        held_ms.append(max(0.0, late_ms[-1] - (_queued_ms() - queued_ms)))
        most = max(most, process.memory_info().rss)
    logger.removeHandler(scanned)
    return provider, {
        "seconds": round(time.perf_counter() - began_s, 2),
        "cpu_seconds": round(time.process_time() - cpu_s, 2),
        "memory_mib": round((most - before) / 2**20, 1),
        "loop_late_ms_p50": round(median(late_ms), 2),
        "loop_late_ms_p99": round(percentile(late_ms, 99), 2),
        "loop_late_ms_max": round(max(late_ms), 2),
        "loop_held_ms_max": round(max(held_ms), 2),
    }


def _queued_ms() -> float:
    """Return how long this process's threads have waited for a processor so far.

    That is what other programs cost: what is left of a late tick the process did.
    """
    threads = Path("/proc/self/task").iterdir()
    waits = (each.joinpath("schedstat").read_text().split()[1] for each in threads)
    return sum(map(int, waits)) / 1e6


def _copy(trees: Sequence[Path], to: Path, *, most: int, seed: int) -> int:
    """Copy source files of trees, each tree to a folder of its own; their bytes."""
    found = [
        (number, tree, path)
        for number, tree in enumerate(trees)
        for path in sorted(tree.rglob("*"))
        if kind_of(path) is not None
        and not _SKIPPED.intersection(path.relative_to(tree).parts)
        and path.is_file()
    ]
    picked = random.Random(seed)  # noqa: S311 - the same files in each run
    size = 0
    for number, tree, path in picked.sample(found, min(most, len(found))):
        target = to / str(number) / path.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        size += target.stat().st_size
    return size


def _cursors(root: Path, count: int, seed: int) -> list[Query]:
    """Pick cursors at the ends of lines with code, in files of the tree."""
    picked = random.Random(seed)  # noqa: S311 - the same cursors in each run
    paths = _files(root)
    queries: list[Query] = []
    while len(queries) < count:
        path = picked.choice(paths)
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines(keepends=True)
        ends = [*itertools.accumulate(map(len, lines))]
        if not ends or len(text) > _MOST_CHARS:
            continue
        snapshot = Snapshot(
            uri=path.as_uri(),
            language_id=language_id_of(path),
            version=1,
            text=text,
            offset=max(0, picked.choice(ends) - 1),
        )
        queries.append(
            Query(snapshot=snapshot, folder=root.as_uri(), open_documents=())
        )
    return queries


async def _asked(provider: Provider, queries: Sequence[Query]) -> _Row:
    """Ask a provider at each cursor, one after the other."""
    times_ms, counts = [], []
    for query in queries:
        began_s = time.perf_counter()
        snippets = await provider.gather(query)
        times_ms.append((time.perf_counter() - began_s) * 1e3)
        counts.append(len(snippets))
    return {
        "provider": provider.name,
        "ms_p50": round(median(times_ms), 1),
        "ms_p95": round(percentile(times_ms, 95), 1),
        "ms_max": round(max(times_ms), 1),
        "snippets_mean": round(sum(counts) / len(counts), 2),
        "cursors_with_snippets": sum(count > 0 for count in counts),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What was measured: sizes, the scans, and the answers of the providers."""

    source_files: int
    languages: dict[str, int]
    index_mib: float
    scans: list[_Row]
    answers: list[_Row]


async def _measure(root: Path, arguments: argparse.Namespace) -> _Found:
    """Index a folder twice, and ask."""
    first, fresh = await _indexed(root)
    await first.close()
    provider, again = await _indexed(root)
    queries = _cursors(root, arguments.cursors, arguments.seed)
    definitions = Definitions(ContextConfig, PathRules())
    answers = [await _asked(provider, queries), await _asked(definitions, queries)]
    await provider.close()
    by_language = Counter(language_id_of(each) for each in _files(root))
    return _Found(
        source_files=by_language.total(),
        languages=dict(by_language.most_common()),
        index_mib=round(index_path(root).stat().st_size / 2**20, 1),
        scans=[{"scan": "from nothing", **fresh}, {"scan": "unchanged", **again}],
        answers=answers,
    )


def _files(root: Path) -> list[Path]:
    """Return a tree's files, in their order."""
    return sorted(path for path in root.rglob("*.*") if path.is_file())


def _in_process(package: Path, root: Path, arguments: argparse.Namespace) -> _Found:
    """Measure the ``lsp_server`` of a checkout in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "found.json")
        command = [sys.executable, "-P", __file__, "--indexed", str(root)]
        command += ["--cursors", str(arguments.cursors), "--out", str(out)]
        command += ["--seed", str(arguments.seed)]
        environment = {"PYTHONPATH": str(package), "XDG_CACHE_HOME": f"{folder}/cache"}
        subprocess.run(command, check=True, env={**os.environ, **environment})
        return _Found(**json.loads(out.read_text(encoding="utf-8")))


def _ratios(before: _Found, after: _Found) -> dict[str, dict[str, float]]:
    """Return every figure of one as a share of the other's, by scan and provider."""
    rows = zip(before.scans + before.answers, after.scans + after.answers, strict=True)
    return {
        str(next(iter(was.values()))): {
            name: round(float(now[name]) / float(value), 3)
            for name, value in was.items()
            if not isinstance(value, str) and value
        }
        for was, now in rows
    }


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print two tables for each checkout, and write the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.workspace_index", description=__doc__
    )
    add = parser.add_argument
    add("--tree", type=Path, action="append", help="more than once for several")
    add("--files", type=int, default=10_000, help="the most source files of the trees")
    add("--cursors", type=int, default=200)
    add("--seed", type=int, default=0)
    add("--before", type=Path, help="another checkout, which is measured as well")
    add("--turns", type=int, default=2)
    add("--indexed", type=Path, help=argparse.SUPPRESS)
    add("--out", type=Path, default=_RESULTS / "workspace_index.json")
    arguments = parser.parse_args(words)
    if arguments.indexed is not None:
        found = asyncio.run(_measure(arguments.indexed, arguments))
        arguments.out.write_text(json.dumps(dataclasses.asdict(found)))
        return 0
    began = circumstances()
    trees = arguments.tree or [Path(sysconfig.get_paths()["stdlib"])]
    here = Path(__file__).resolve().parents[1]
    checkouts = {"after": here}
    if arguments.before is not None:
        checkouts = {"before": arguments.before.resolve(), **checkouts}
    turns: dict[str, list[_Found]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "tree"
        size = _copy(trees, root, most=arguments.files, seed=arguments.seed)
        for _ in range(arguments.turns):
            for name, package in checkouts.items():
                turns[name].append(_in_process(package, root, arguments))
    result: dict[str, object] = {
        "benchmark": "workspace_index",
        **began,
        "trees": [tree.name for tree in trees],
        "seed": arguments.seed,
        "cursors": arguments.cursors,
        "source_mib": round(size / 2**20, 1),
    }
    for name, measured in turns.items():
        result[name] = [dataclasses.asdict(each) for each in measured]
        for each in measured:
            sys.stdout.write(f"{name}\n")
            for rows in (each.scans, each.answers):
                body = [[str(value) for value in row.values()] for row in rows]
                sys.stdout.write(table([*rows[0]], body) + "\n\n")
    if arguments.before is not None:
        pairs = zip(turns["before"], turns["after"], strict=True)
        result["after_to_before"] = [_ratios(*pair) for pair in pairs]
    write_result(arguments.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
