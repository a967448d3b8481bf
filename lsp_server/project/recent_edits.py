"""Snippets of what was edited last in other documents.

They show the code as it is now and not as a diff: models that fill in the middle were
trained on files.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from lsp_server.project.folders import path_in
from lsp_server.project.provider import (
    DocumentClosed,
    DocumentEdited,
    DocumentOpened,
    Event,
    Query,
    ReadDocument,
)
from lsp_server.project.similarity import similarities, words_near, words_of
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot, Snippet

__all__ = ["Change", "RecentEdits", "changes_between"]

_MOST_CHARS = 400_000
_MOST_EDITS = 16
_MOST_LINES = 60
"""A larger change is a file that was formatted, or replaced by another branch's."""

_LINES_AROUND = 3
_MOST_SHOWN = 24
"""The most lines of one edit that a prompt has room for."""

_LATEST_SCORE, _OLDER_SHARE = 0.8, 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Lines that stand where others stood, counted from 0.

    Attributes:
        old_start: The first line that was replaced.
        old_end: The line after the last one.
        start: The first line in their place.
        end: The line after the last one.
    """

    old_start: int
    old_end: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """Lines of a document that were edited.

    Attributes:
        uri: The document.
        start: The first line.
        end: The line after the last one.
    """

    uri: str
    start: int
    end: int


class RecentEdits:
    """Follows the edits of every open document, and shows the latest ones elsewhere."""

    name = "recent_edits"
    importance = 0.9
    budget_chars = 3_000
    deadline_ms = 1_000

    def __init__(self) -> None:
        """Start without documents."""
        self._read: dict[str, ReadDocument] = {}
        self._lines: dict[str, list[str]] = {}
        self._edited: dict[str, None] = {}  # in the order of the edits
        self._edits: list[_Edit] = []  # the latest last

    def take(self, event: Event) -> None:
        """Note which documents are edited."""
        match event:
            case DocumentOpened(uri=uri, read=read):
                self._forget(uri)
                self._read[uri] = read
                if (document := read()) is not None:
                    self._lines[uri] = _lines_of(document)
            case DocumentEdited(uri=uri):
                self._edited.pop(uri, None)
                self._edited[uri] = None
            case DocumentClosed(uri=uri):
                self._forget(uri)

    async def gather(self, query: Query) -> Sequence[Snippet]:
        """Return the edited parts of other documents, the latest scored best."""
        edited, self._edited = self._edited, {}
        for uri in edited:
            await self._follow(uri)
        return await asyncio.to_thread(
            _snippets, query, tuple(self._edits), dict(self._lines)
        )

    async def close(self) -> None:
        """Do nothing: there is no work in the background."""

    def _forget(self, uri: str) -> None:
        self._read.pop(uri, None)
        self._lines.pop(uri, None)
        self._edited.pop(uri, None)
        self._edits = [each for each in self._edits if each.uri != uri]

    async def _follow(self, uri: str) -> None:
        """Find what was edited in a document since the last time."""
        read = self._read.get(uri)
        document = read() if read is not None else None
        if document is None:
            return
        before = self._lines.get(uri)
        lines = await asyncio.to_thread(_lines_of, document)
        changes = await asyncio.to_thread(changes_between, before or lines, lines)
        if self._read.get(uri) is not read:
            return  # closed meanwhile
        self._lines[uri] = lines
        moved = [
            replace(
                edit,
                start=_moved(edit.start, changes, at_end=False),
                end=_moved(edit.end, changes, at_end=True),
            )
            if edit.uri == uri
            else edit
            for edit in self._edits
        ]
        self._edits = moved
        for change in changes:
            if change.start < change.end:
                self._add(_Edit(uri=uri, start=change.start, end=change.end))

    def _add(self, edit: _Edit) -> None:
        """Add an edit; what it touches of earlier ones becomes part of it."""
        kept = []
        for other in self._edits:
            gap = max(edit.start - other.end, other.start - edit.end)
            if other.uri == edit.uri and gap <= _LINES_AROUND:
                edit = replace(
                    edit,
                    start=min(edit.start, other.start),
                    end=max(edit.end, other.end),
                )
            else:
                kept.append(other)
        if edit.end - edit.start <= _MOST_LINES:
            kept.append(edit)
        self._edits = kept[-_MOST_EDITS:]


def changes_between(before: Sequence[str], after: Sequence[str]) -> list[Change]:
    """Return which lines differ, in their order.

    Where the two differ in many lines from the first difference to the last, that is
    one change.
    """
    most = min(len(before), len(after))
    start = next((n for n in range(most) if before[n] != after[n]), most)
    tail = 0
    while tail < most - start and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old_end, end = len(before) - tail, len(after) - tail
    if start == old_end == end:
        return []
    if max(old_end, end) - start > 4 * _MOST_LINES:
        return [Change(old_start=start, old_end=old_end, start=start, end=end)]
    matcher = SequenceMatcher(
        None, before[start:old_end], after[start:end], autojunk=False
    )
    return [
        Change(
            old_start=start + old_from,
            old_end=start + old_to,
            start=start + new_from,
            end=start + new_to,
        )
        for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes()
        if tag != "equal"
    ]


def _moved(line: int, changes: Iterable[Change], *, at_end: bool) -> int:
    """Return where a line's start is after changes; inside of one, at an edge of it."""
    delta = 0
    for change in changes:
        if change.old_end <= line:
            delta = change.end - change.old_end
        elif change.old_start < line:
            return change.end if at_end else change.start
    return line + delta


def _lines_of(document: Snapshot) -> list[str]:
    """Return a document's lines; none of a very large one."""
    if len(document.text) > _MOST_CHARS:
        return []
    return with_line_feeds(document.text).split("\n")


def _snippets(
    query: Query, edits: Sequence[_Edit], lines: dict[str, list[str]]
) -> list[Snippet]:
    """Return the edits of the query's other documents as snippets."""
    others = {each.uri for each in query.open_documents}
    shown = [each for each in reversed(edits) if each.uri in others]
    texts = [_text(each, lines.get(each.uri, [])) for each in shown]
    alike = similarities(words_near(query.snapshot), [words_of(text) for text in texts])
    return [
        Snippet(
            path=path_in(query.folder, edit.uri),
            text=text,
            score=_LATEST_SCORE * _OLDER_SHARE**age * (0.5 + similarity / 2),
            uri=edit.uri,
        )
        for age, (edit, text, similarity) in enumerate(
            zip(shown, texts, alike, strict=True)
        )
        if text
    ]


def _text(edit: _Edit, lines: Sequence[str]) -> str:
    """Return an edit's lines with some around them."""
    around = lines[max(0, edit.start - _LINES_AROUND) : edit.end + _LINES_AROUND]
    return "\n".join(around[:_MOST_SHOWN]).strip("\n")
