"""Builds a corpus folder from local sources, or leaves nothing behind."""

import hashlib
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lsp_server.errors import CorpusError
from lsp_server.files import WholeFolder, read_lines
from training.corpus.attribution import render_attributions
from training.corpus.copies import (
    NEAR_DUPLICATES,
    EvaluationRuns,
    Selected,
    Selector,
    read_evaluation_data,
)
from training.corpus.ingest import Task, ingest
from training.corpus.output import (
    HELD_OUT,
    TRAIN,
    CorpusManifest,
    Dropped,
    FileRecord,
    PackageEntry,
    ShardEntry,
    ShardWriter,
    count_dropped,
    render_manifest,
    split_of,
)
from training.corpus.packages import Package, choose_packages, try_metadata
from training.corpus.sources import find_locations
from training.progress import Say

__all__ = ["BuildOptions", "build_corpus", "check_options", "map_in_order"]

_REPORT_EVERY = 25
_AHEAD = 4
"""Tasks in flight for each worker; their results wait in memory for their turn."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What to build a corpus of, and how.

    Attributes:
        sources: Archives, project folders, ``site-packages``, folders of archives.
        output: Folder of the corpus; new or empty.
        evaluation_data: Files whose text must not be in the corpus.
        held_out_share: Share of packages to hold out, from 0 to below 1.
        threshold: Least share of common runs of words of near-duplicates.
        shard_bytes: Size before compression from which on a new shard begins.
        workers: Processes that read; they do not change the result.
    """

    sources: tuple[Path, ...]
    output: Path
    evaluation_data: tuple[Path, ...]
    held_out_share: float = 0.02
    threshold: float = 0.8
    shard_bytes: int = 64 * 1024 * 1024
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadSource:
    """A source of a package that was read into its spool, and what is kept of it."""

    package: Package
    spool: Path
    selected: Selected


def check_options(options: BuildOptions) -> None:
    """Check, before any work, that the output can be made.

    Raises:
        CorpusError: The output folder cannot be used, or a number is out of range.
    """
    _folder(options).check()
    if not 0 <= options.held_out_share < 1:
        raise CorpusError(
            "the held-out share is not from 0 to below 1",
            subject=str(options.held_out_share),
            remedy="Choose a small share, such as 0.02",
        )


def build_corpus(options: BuildOptions, *, progress: Say) -> CorpusManifest:
    """Build the corpus, and put the finished folder in its place.

    The folder holds the shards, ``manifest.json`` and ``ATTRIBUTION.md``. A line of a
    shard is a JSON object of a source file's ``package``, ``version``, ``licence``,
    ``path`` and ``text``; packages come by name, their files by path. The same
    sources give the same bytes, wherever they lie. After an error, or when
    interrupted, nothing is left.

    Raises:
        CorpusError: The options cannot be used, or no file is left to keep.
    """
    check_options(options)
    evaluation, evaluation_hashes = read_evaluation_data(options.evaluation_data)
    locations = find_locations(options.sources)
    whole = _folder(options)
    with _killed_worker_as_error(options.output), whole.unfinished() as folder:
        progress(f"{len(locations)} sources: reading their metadata")
        metadata = map_in_order(try_metadata, locations, workers=options.workers)
        packages, refused = choose_packages(zip(locations, metadata, strict=True))
        progress(f"{len(packages)} packages to read, {len(refused)} sources refused")
        spools = folder / "spools"
        spools.mkdir()
        tasks = list(_tasks(packages, evaluation, spools))
        dropped: dict[str, Dropped] = {}
        damaged: list[str] = []
        sources: list[_ReadSource] = []
        selector = Selector(options.threshold)
        to_read = [task for _, task in tasks]
        results = map_in_order(ingest, to_read, workers=options.workers)
        for (package, task), result in zip(tasks, results, strict=True):
            selected = selector.select(result.records, result.signatures)
            for part in (result.dropped, selected.dropped):
                for reason, lost in part.items():
                    count_dropped(
                        dropped, reason, size_bytes=lost.bytes, files=lost.files
                    )
            if result.damaged:
                damaged.append(task.location.path.name)
            sources.append(
                _ReadSource(package=package, spool=task.spool, selected=selected)
            )
            if len(sources) % _REPORT_EVERY == 0 or len(sources) == len(tasks):
                progress(_state(sources, total=len(tasks)))
        corpus = folder / "corpus"
        corpus.mkdir()
        progress("writing the shards")
        manifest = CorpusManifest(
            parameters=_parameters(options),
            evaluation_data=evaluation_hashes,
            packages=_entries(sources, options),
            dropped=dropped,
            refused=refused,
            damaged=tuple(damaged),
            shards=_write_shards(sources, corpus, options),
        )
        if not manifest.packages:
            raise CorpusError(
                "not one file is left to keep",
                subject=", ".join(map(str, options.sources)),
                remedy="Name more sources: "
                + "; ".join(sorted({each.reason for each in refused} | {*dropped})),
            )
        (corpus / "manifest.json").write_text(render_manifest(manifest), "utf-8")
        for name, text in render_attributions(manifest.packages).items():
            (corpus / name).write_text(text, "utf-8")
        whole.publish(corpus)
    return manifest


def map_in_order(
    function: Callable[[_In], _Out], items: Sequence[_In], *, workers: int
) -> Iterator[_Out]:
    """Yield the function's result for each item, in the items' order.

    Args:
        function: A function of a module, so that another process can import it.
        items: Its arguments.
        workers: Number of processes; with 1, this process does the work.

    Raises:
        BrokenProcessPool: A worker was killed.
    """
    if workers == 1:
        yield from map(function, items)
        return
    # A fresh interpreter: a fork would copy the locks of this one's threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context)
    try:
        waiting: deque[Future[_Out]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _folder(options: BuildOptions) -> WholeFolder:
    return WholeFolder(output=options.output, holds="corpus", error=CorpusError)


@contextmanager
def _killed_worker_as_error(output: Path) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as exc:
        raise CorpusError(
            "a process that read the sources was killed",
            subject=str(output),
            remedy="Run this again with fewer workers; memory may have run out",
        ) from exc


def _tasks(
    packages: tuple[Package, ...], evaluation: EvaluationRuns, spools: Path
) -> Iterator[tuple[Package, Task]]:
    located = [(each, location) for each in packages for location in each.locations]
    for number, (package, location) in enumerate(located):
        yield (
            package,
            Task(
                location=location,
                package=package.name,
                version=package.version,
                licence=package.licence,
                evaluation=evaluation,
                spool=spools / f"{number:06}.gz",
            ),
        )


def _state(sources: list[_ReadSource], *, total: int) -> str:
    records = [record for each in sources for record in each.selected.records]
    characters = sum(record.characters for record in records)
    return (
        f"{len(sources)} of {total} sources read; kept {len(records):,} files, "
        f"{characters:,} characters"
    )


def _entries(
    sources: list[_ReadSource], options: BuildOptions
) -> tuple[PackageEntry, ...]:
    """Return an entry of each package of which a file is kept."""
    by_package: dict[str, tuple[Package, list[FileRecord]]] = {}
    for each in sources:
        if each.selected.records:
            _, records = by_package.setdefault(each.package.name, (each.package, []))
            records += each.selected.records
    return tuple(_entry(options, *pair) for pair in by_package.values())


def _entry(
    options: BuildOptions, package: Package, records: list[FileRecord]
) -> PackageEntry:
    lines = "".join(f"{record.sha256}  {record.path}\n" for record in records)
    return PackageEntry(
        name=package.name,
        version=package.version,
        licence=package.licence,
        home_page=package.home_page,
        split=split_of(package.name, held_out_share=options.held_out_share),
        files=len(records),
        characters=sum(record.characters for record in records),
        sha256=hashlib.sha256(lines.encode()).hexdigest(),
    )


def _write_shards(
    sources: list[_ReadSource], folder: Path, options: BuildOptions
) -> tuple[ShardEntry, ...]:
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(
                ShardWriter(folder, split=split, shard_bytes=options.shard_bytes)
            )
            for split in (TRAIN, HELD_OUT)
        }
        for each in sources:
            split = split_of(each.package.name, held_out_share=options.held_out_share)
            kept = frozenset(each.selected.places)
            for place, line in enumerate(read_lines(each.spool)):
                if place in kept:
                    writers[split].write(line)
    return tuple(entry for writer in writers.values() for entry in writer.entries)


def _parameters(
    options: BuildOptions,
) -> dict[str, int | float | str | tuple[str, ...]]:
    return {
        "held_out_share": options.held_out_share,
        "near_duplicate_threshold": options.threshold,
        **NEAR_DUPLICATES,
        "shard_bytes": options.shard_bytes,
        "sources": tuple(sorted(each.resolve().name for each in options.sources)),
    }
