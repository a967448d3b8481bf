"""Takes local sources to a finished corpus folder, or leaves nothing behind."""

import hashlib
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import CorpusError
from lsp_server.files import WholeFolder, read_lines
from lsp_server.modelstore.progress import Say
from training.corpus.attribution import render_attribution
from training.corpus.decontamination import EvaluationRuns, read_evaluation_data
from training.corpus.ingest import Task, ingest
from training.corpus.locations import find_locations
from training.corpus.manifest_file import CorpusManifest, render_manifest
from training.corpus.packages import Package, choose_packages, describe
from training.corpus.selection import Selector
from training.corpus.shards import ShardWriter
from training.corpus.split import HELD_OUT, TRAIN, split_of
from training.corpus.values import (
    Dropped,
    FileRecord,
    PackageEntry,
    ShardEntry,
    add_dropped,
)
from training.corpus.workers import run_all

__all__ = ["Order", "build_corpus", "check_order"]

_SAY_EVERY = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made of what.

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
class _Piece:
    """One source of a package, read, and what to take over from its spool."""

    package: Package
    spool: Path
    places: frozenset[int]
    records: tuple[FileRecord, ...]


def check_order(order: Order) -> None:
    """Find out, before any work, whether the output can be made.

    Raises:
        CorpusError: The output folder will not do, or a number is out of range.
    """
    _folder(order).check()
    if not 0 <= order.held_out_share < 1:
        raise CorpusError(
            "the held-out share is not from 0 to below 1",
            subject=str(order.held_out_share),
            remedy="Choose a small share, such as 0.02",
        )


def _folder(order: Order) -> WholeFolder:
    return WholeFolder(output=order.output, holds="corpus", error=CorpusError)


def build_corpus(order: Order, *, progress: Say) -> CorpusManifest:
    """Build the corpus, and put the finished folder in its place.

    The folder holds the shards, ``manifest.json`` and ``ATTRIBUTION.md``. A line of a
    shard is a JSON object of a source file's ``package``, ``version``, ``licence``,
    ``path`` and ``text``; packages come by name, their files by path. The same
    sources give the same bytes, wherever they lie. Everything is written into a
    temporary folder beside the output, which is renamed at the end; on an error, or
    when interrupted, it is removed.

    Raises:
        CorpusError: The order cannot be carried out, or nothing is left to keep.
    """
    check_order(order)
    evaluation, evaluation_hashes = read_evaluation_data(order.evaluation_data)
    locations = find_locations(order.sources)
    whole = _folder(order)
    with _killed_readers_told(order.output), whole.unfinished() as folder:
        progress(f"{len(locations)} sources: reading what they say of themselves")
        metadata = run_all(describe, locations, workers=order.workers)
        packages, refused = choose_packages(zip(locations, metadata, strict=True))
        progress(f"{len(packages)} packages to read, {len(refused)} sources refused")
        spools = folder / "spools"
        spools.mkdir()
        tasks = list(_tasks(packages, evaluation, spools))
        dropped: dict[str, Dropped] = {}
        damaged: list[str] = []
        pieces: list[_Piece] = []
        selector = Selector(order.threshold)
        results = run_all(ingest, [task for _, task in tasks], workers=order.workers)
        for (package, task), result in zip(tasks, results, strict=True):
            selected = selector.select(result)
            add_dropped(dropped, result.dropped)
            add_dropped(dropped, selected.dropped)
            if result.damaged:
                damaged.append(task.location.path.name)
            pieces.append(
                _Piece(
                    package=package,
                    spool=task.spool,
                    places=frozenset(selected.places),
                    records=selected.records,
                )
            )
            if len(pieces) % _SAY_EVERY == 0 or len(pieces) == len(tasks):
                progress(_state(pieces, total=len(tasks)))
        corpus = folder / "corpus"
        corpus.mkdir()
        progress("writing the shards")
        manifest = CorpusManifest(
            parameters=_parameters(order),
            evaluation_data=evaluation_hashes,
            packages=_entries(pieces, order),
            dropped=dropped,
            refused=refused,
            damaged=tuple(damaged),
            shards=_write_shards(pieces, corpus, order),
        )
        if not manifest.packages:
            raise CorpusError(
                "not one file is left to keep",
                subject=", ".join(map(str, order.sources)),
                remedy="Name more sources: "
                + "; ".join(sorted({each.reason for each in refused} | {*dropped})),
            )
        (corpus / "manifest.json").write_text(render_manifest(manifest), "utf-8")
        attribution = render_attribution(manifest.packages)
        (corpus / "ATTRIBUTION.md").write_text(attribution, "utf-8")
        whole.publish(corpus)
    return manifest


@contextmanager
def _killed_readers_told(output: Path) -> Iterator[None]:
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
    number = 0
    for package in packages:
        for location in package.locations:
            task = Task(
                location=location,
                package=package.name,
                version=package.version,
                licence=package.licence,
                evaluation=evaluation,
                spool=spools / f"{number:06}.gz",
            )
            yield package, task
            number += 1


def _state(pieces: list[_Piece], *, total: int) -> str:
    records = [record for piece in pieces for record in piece.records]
    characters = sum(record.characters for record in records)
    return (
        f"{len(pieces)} of {total} sources read; kept {len(records):,} files, "
        f"{characters:,} characters"
    )


def _entries(pieces: list[_Piece], order: Order) -> tuple[PackageEntry, ...]:
    """Sum up what is kept of each package; those of which nothing is are left out."""
    by_package: dict[str, list[FileRecord]] = {}
    packages: dict[str, Package] = {}
    for piece in pieces:
        if piece.records:
            packages[piece.package.name] = piece.package
            by_package.setdefault(piece.package.name, []).extend(piece.records)
    return tuple(
        _entry(packages[name], records, order) for name, records in by_package.items()
    )


def _entry(package: Package, records: list[FileRecord], order: Order) -> PackageEntry:
    lines = "".join(f"{record.sha256}  {record.path}\n" for record in records)
    return PackageEntry(
        name=package.name,
        version=package.version,
        licence=package.licence,
        home_page=package.home_page,
        split=split_of(package.name, held_out_share=order.held_out_share),
        files=len(records),
        characters=sum(record.characters for record in records),
        sha256=hashlib.sha256(lines.encode()).hexdigest(),
    )


def _write_shards(
    pieces: list[_Piece], folder: Path, order: Order
) -> tuple[ShardEntry, ...]:
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(
                ShardWriter(folder, split=split, shard_bytes=order.shard_bytes)
            )
            for split in (TRAIN, HELD_OUT)
        }
        for piece in pieces:
            split = split_of(piece.package.name, held_out_share=order.held_out_share)
            for place, line in enumerate(read_lines(piece.spool)):
                if place in piece.places:
                    writers[split].write(line)
    return tuple(entry for writer in writers.values() for entry in writer.entries)


def _parameters(order: Order) -> dict[str, int | float | tuple[str, ...]]:
    return {
        "held_out_share": order.held_out_share,
        "near_duplicate_threshold": order.threshold,
        "shard_bytes": order.shard_bytes,
        "sources": tuple(sorted(source.resolve().name for source in order.sources)),
    }
