"""Reads one source: filters its files, signs them, and sets their text aside.

Runs in worker processes, so what goes in and comes out is small and can be pickled.
The text goes through a spool file, because all of it together does not fit into
memory.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsp_server.files import JsonLinesWriter
from lsp_server.text import with_line_feeds
from training.corpus.decontamination import EvaluationRuns
from training.corpus.filters import LARGEST_BYTES, reject_path, reject_text
from training.corpus.locations import Location
from training.corpus.members import DAMAGE, Member
from training.corpus.minhash import PERMUTATIONS, Signature, sign
from training.corpus.values import Dropped, FileRecord, add_dropped
from training.corpus.words import hash_words

__all__ = ["Ingested", "Task", "ingest"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One source to read.

    Attributes:
        location: Where it lies.
        package: Canonical name.
        version: Its version.
        licence: SPDX expression under which it is used.
        evaluation: What may not be in it.
        spool: File to write; its folder exists.
    """

    location: Location
    package: str
    version: str
    licence: str
    evaluation: EvaluationRuns
    spool: Path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ingested:
    """What was found in one source.

    Attributes:
        records: The files that passed, in the order of their lines in the spool.
        signatures: Their signatures, shape (files, 128).
        dropped: What did not pass, by reason.
        damaged: Whether the source broke off; the files read before that count.
    """

    records: tuple[FileRecord, ...]
    signatures: npt.NDArray[np.uint32]
    dropped: dict[str, Dropped]
    damaged: bool


def ingest(task: Task) -> Ingested:
    """Read the source's Python files, and write those that pass to the spool."""
    records: list[FileRecord] = []
    signatures: list[Signature] = []
    dropped: dict[str, Dropped] = {}
    damaged = False
    members = _python_members(task.location)
    # Level 1: read once and thrown away.
    with JsonLinesWriter(task.spool, level=1) as spool:
        while True:
            # Only reading may fail for the source's sake; a full disk is our trouble.
            try:
                if (member := next(members, None)) is None:
                    break
                text, reason = _read(member)
            except DAMAGE:
                damaged = True
                break
            if reason is None:
                words = hash_words(text)
                if task.evaluation.touch(words):
                    reason = "evaluation data"
                else:
                    spool.write(_row(task, member.path, text))
                    records.append(_record(member, text))
                    signatures.append(sign(words))
            if reason is not None:
                add_dropped(
                    dropped, {reason: Dropped(files=1, bytes=member.size_bytes)}
                )
    return Ingested(
        records=tuple(records),
        signatures=np.array(signatures, dtype=np.uint32).reshape(-1, PERMUTATIONS),
        dropped=dropped,
        damaged=damaged,
    )


def _python_members(location: Location) -> Iterator[Member]:
    return (m for m in location.members() if m.path.endswith(".py"))


def _read(member: Member) -> tuple[str, str | None]:
    """Give a file's text and, if it is to be dropped, the reason."""
    reason = reject_path(member.path, size_bytes=member.size_bytes)
    if reason is not None:
        return "", reason
    # An archive may declare a small size and hold more.
    content = member.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        return "", "too large"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "", "not UTF-8"
    text = with_line_feeds(text)
    return text, reject_text(text)


def _row(task: Task, path: str, text: str) -> dict[str, object]:
    return {
        "package": task.package,
        "version": task.version,
        "licence": task.licence,
        "path": path,
        "text": text,
    }


def _record(member: Member, text: str) -> FileRecord:
    return FileRecord(
        path=member.path,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        characters=len(text),
        bytes=member.size_bytes,
    )
