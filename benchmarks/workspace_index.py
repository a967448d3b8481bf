"""Measure the workspace's index: the time and memory to make it, and what it answers.

A copy of the tree is indexed as the server does it, in a thread beside an event loop,
once from nothing and once where nothing has changed. Then the providers are asked at
cursors of its files, picked by the seed.
"""

import argparse
import asyncio
import dataclasses
import itertools
import logging
import os
import random
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figures import circumstances, median, percentile, table, write_result
from lsp_server.context_config import ContextConfig
from lsp_server.file_languages import language_id_of
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.definitions.provider import Definitions
from lsp_server.project.definitions.tags import defined_names
from lsp_server.project.index.index_file import index_path
from lsp_server.project.index.provider import WorkspaceIndex
from lsp_server.project.provider import FoldersChanged, Provider, Query
from lsp_server.values import Snapshot

_RESULTS = Path(__file__).resolve().parent / "results"
_TICK_S = 0.001
_MOST_CHARS = 200_000


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
    before, most = process.memory_info().rss, 0
    cpu_s, began_s = time.process_time(), time.perf_counter()
    provider = _index(root)
    late_ms = []
    while not scanned.event.is_set():
        due_s = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        late_ms.append((time.perf_counter() - due_s) * 1e3)
        most = max(most, process.memory_info().rss)
    logger.removeHandler(scanned)
    return provider, {
        "seconds": round(time.perf_counter() - began_s, 2),
        "cpu_seconds": round(time.process_time() - cpu_s, 2),
        "memory_mib": round((most - before) / 2**20, 1),
        "loop_late_ms_p50": round(median(late_ms), 2),
        "loop_late_ms_p99": round(percentile(late_ms, 99), 2),
        "loop_late_ms_max": round(max(late_ms), 2),
    }


def _file_sizes(path: Path) -> list[int]:
    """Return the sizes of a folder's Python files, or of one file."""
    files = [each for each in path.rglob("*.py") if each.is_file()] or [path]
    return [each.stat().st_size for each in files]


def _cursors(root: Path, count: int, seed: int) -> list[Query]:
    """Pick cursors at the ends of lines with code, in files of the tree."""
    picked = random.Random(seed)  # noqa: S311 - the same cursors in each run
    paths = sorted(path for path in root.rglob("*.py") if path.stat().st_size)
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


async def _asked(provider: Provider, queries: Sequence[Query]) -> dict[str, object]:
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
    source_mib: float
    index_mib: float
    scans: list[dict[str, object]]
    answers: list[dict[str, object]]


async def _measure(root: Path, arguments: argparse.Namespace) -> _Found:
    """Index a folder twice, and ask."""
    first, fresh = await _indexed(root)
    await first.close()
    provider, again = await _indexed(root)
    queries = _cursors(root, arguments.cursors, arguments.seed)
    definitions = Definitions(ContextConfig, PathRules())
    answers = [await _asked(provider, queries), await _asked(definitions, queries)]
    await provider.close()
    sizes = _file_sizes(root)
    return _Found(
        source_files=len(sizes),
        source_mib=round(sum(sizes) / 2**20, 1),
        index_mib=round(_file_sizes(index_path(root))[0] / 2**20, 1),
        scans=[{"scan": "from nothing", **fresh}, {"scan": "unchanged", **again}],
        answers=answers,
    )


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print two tables, and write the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.workspace_index", description=__doc__
    )
    add = parser.add_argument
    add("--tree", type=Path, default=Path(sysconfig.get_paths()["stdlib"]))
    add("--cursors", type=int, default=200)
    add("--seed", type=int, default=0)
    add("--out", type=Path, default=_RESULTS / "workspace_index.json")
    arguments = parser.parse_args(words)
    began = circumstances()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        root = Path(folder).resolve() / "tree"
        # A tree of packages would be no source of the workspace's own where it lies.
        skipped = shutil.ignore_patterns("site-packages", "__pycache__")
        shutil.copytree(arguments.tree, root, ignore=skipped)
        found = asyncio.run(_measure(root, arguments))
    result = {
        "benchmark": "workspace_index",
        **began,
        "tree": arguments.tree.name,
        "seed": arguments.seed,
        "cursors": arguments.cursors,
        **dataclasses.asdict(found),
    }
    write_result(arguments.out, result)
    for rows in (found.scans, found.answers):
        body = [[str(value) for value in row.values()] for row in rows]
        sys.stdout.write(table([*rows[0]], body) + "\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
