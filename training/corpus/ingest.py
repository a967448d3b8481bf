"""Reads one source: filters its files, signs them, and stores their text aside.

Runs in worker processes, so that tasks and results are small and can be pickled. The
text goes through a spool file, as all of it together does not fit into memory.

The filters are looser than usual for such corpora: a small model lacks unique text, and
a file with some long lines still teaches. The manifest counts every reason.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from lsp_server.files import JsonLinesWriter
from lsp_server.text import with_line_feeds
from training.corpus.copies import (
    PERMUTATIONS,
    EvaluationRuns,
    Signature,
    hash_words,
    sign,
)
from training.corpus.licences import is_gpl_text
from training.corpus.output import Dropped, FileRecord, count_dropped
from training.corpus.sources import DAMAGE, Location, Member

__all__ = [
    "LARGEST_BYTES",
    "Ingested",
    "Task",
    "ingest",
    "reject_path",
    "reject_text",
]

LARGEST_BYTES = 1_000_000
"""Larger files hold data, or are generated."""

_SHORTEST_CHARACTERS = 64
_LONGEST_LINE_CHARACTERS = 1_000
_LONGEST_MEAN_LINE_CHARACTERS = 120
_LEAST_LETTERS = 0.4
"""Share of letters and underscores among what is not white space; code has 0.7."""

_MOST_NON_ASCII = 0.2
_HEAD_LINES = 12
_NOTICE_CHARACTERS = 4_000

_VENDOR_FOLDERS = frozenset(
    {
        "3rdparty",
        "_extern",
        "_vendor",
        "_vendored",
        "extern",
        "externals",
        "third_party",
        "thirdparty",
        "vendor",
        "vendored",
        "vendored_packages",
    }
)
_GENERATED_NAME = re.compile(r".*_pb2(_grpc)?\.py|(lex|parse|yacc)tab\.py|_version\.py")
_GENERATED = re.compile(
    r"@generated\b|\bdo not (edit|modify)\b|"
    r"\bauto(matically)?[ -]?generated\b|\b(code|file)( was| is)? generated\b|"
    r"^\W*generated (by|from|with)\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One source to read.

    Attributes:
        location: Where it lies.
        package: Canonical name.
        version: Its version.
        licence: SPDX expression under which it is used.
        evaluation: The runs of words that may not be in it.
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
    """The files of one source.

    Attributes:
        records: The files that passed, in the order of their lines in the spool.
        signatures: Their signatures, shape (files, 128).
        dropped: The other files, by reason.
        damaged: Whether the source could be read only in part.
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
    # Level 1: the spool is read once and deleted.
    with JsonLinesWriter(task.spool, level=1) as spool:
        while True:
            # Only the source's own errors are caught, not those of writing the spool.
            try:
                if (member := next(members, None)) is None:
                    break
                text, reason = _read(member)
            except DAMAGE:
                damaged = True
                break
            if reason or task.evaluation.is_in(words := hash_words(text)):
                reason = reason or "evaluation data"
                count_dropped(dropped, reason, size_bytes=member.size_bytes)
                continue
            spool.write(_row(task, member.path, text))
            records.append(_record(member, text))
            signatures.append(sign(words))
    return Ingested(
        records=tuple(records),
        signatures=np.array(signatures, dtype=np.uint32).reshape(-1, PERMUTATIONS),
        dropped=dropped,
        damaged=damaged,
    )


def reject_path(path: str, *, size_bytes: int) -> str | None:
    """Return the reason to leave a file unread, or None.

    Args:
        path: Path inside the package, with forward slashes.
        size_bytes: Size of the file.
    """
    parts = PurePosixPath(path).parts
    # The package's licence says nothing about copies of other packages inside it.
    if _VENDOR_FOLDERS.intersection(parts[:-1]):
        return "vendored"
    if _GENERATED_NAME.fullmatch(parts[-1]):
        return "generated"
    if size_bytes > LARGEST_BYTES:
        return "too large"
    return None


def reject_text(text: str) -> str | None:
    """Return the reason to drop a file because of its text, or None."""
    if len(text.strip()) < _SHORTEST_CHARACTERS:
        return "too short"
    if "\0" in text:
        return "not text"
    if is_gpl_text(text[:_NOTICE_CHARACTERS]):
        return "GPL notice"
    lines = text.splitlines()
    if _GENERATED.search("\n".join(lines[:_HEAD_LINES])):
        return "generated"
    return _reject_shape(text, lines)


def _reject_shape(text: str, lines: list[str]) -> str | None:
    if max(map(len, lines)) > _LONGEST_LINE_CHARACTERS:
        return "long line"
    if len(text) > _LONGEST_MEAN_LINE_CHARACTERS * len(lines):
        return "long lines on average"
    if not text.isascii():
        ascii_characters = len(text.encode("ascii", "ignore"))
        if len(text) - ascii_characters > _MOST_NON_ASCII * len(text):
            return "little ASCII"
    visible = "".join(text.split())
    if len(re.sub(r"[\W\d]+", "", visible)) < _LEAST_LETTERS * len(visible):
        return "little alphabetic text"
    return None


def _python_members(location: Location) -> Iterator[Member]:
    return (m for m in location.members() if m.path.endswith(".py"))


def _read(member: Member) -> tuple[str, str | None]:
    """Return a file's text and the reason to drop it, if there is one."""
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
