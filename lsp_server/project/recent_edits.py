"""Snippets of what was edited last in other documents, as diffs.

A diff has the lines that went, the lines that came, and a few around them. It has no
line numbers, so it stays the same when the file grows above it.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from lsp_server.project.open_documents import path_in
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

_LINES_BETWEEN = 3
"""Edits of one document that are no further apart are one."""

_LINES_AROUND = 2
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
        start: The first line.
        end: The line after the last one.
        stood: The lines that stood there before.
        order: Later edits have a higher one.
    """

    start: int
    end: int
    stood: tuple[str, ...]
    order: int


class RecentEdits:
    """Follows the edits of every open document, and shows the latest ones elsewhere."""

    name = "recent_edits"
    importance = 0.9
    budget_chars = 3_000
    deadline_ms = 1_000

    def __init__(self) -> None:
        self._read: dict[str, ReadDocument] = {}
        self._lines: dict[str, list[str]] = {}
        self._edited: dict[str, None] = {}  # in the order of the edits
        self._edits: dict[str, tuple[_Edit, ...]] = {}
        self._order = 0

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
        """Return the edited parts of other documents, the latest scored best.

        What is edited in the query's own document is looked at when another one asks.
        """
        others = [uri for uri in self._edited if uri != query.snapshot.uri]
        for uri in others:
            self._edited.pop(uri, None)
            await self._follow(uri)
        if not any(uri != query.snapshot.uri for uri in self._edits):
            return ()
        return await asyncio.to_thread(
            _snippets, query, dict(self._edits), dict(self._lines)
        )

    async def close(self) -> None:
        """Do nothing: there is no work in the background."""

    def _forget(self, uri: str) -> None:
        self._read.pop(uri, None)
        self._lines.pop(uri, None)
        self._edited.pop(uri, None)
        self._edits.pop(uri, None)

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
        self._order += 1
        edits = _followed(
            self._edits.get(uri, ()), changes, before or lines, lines, self._order
        )
        self._edits[uri] = tuple(edits)[-_MOST_EDITS:]


def _followed(
    edits: Sequence[_Edit],
    changes: Sequence[Change],
    before: Sequence[str],
    after: Sequence[str],
    order: int,
) -> Iterator[_Edit]:
    """Yield a document's edits after changes, which become one with what is near.

    Left out is what is as it was, and what is so large that the file was formatted, or
    is another branch's.

    Args:
        edits: The edits of before.
        changes: Which lines have changed.
        before: The document's lines before the changes.
        after: Its lines now.
        order: That of what has changed.
    """
    places: list[tuple[int, int, _Edit | Change]] = [
        *((each.start, each.end, each) for each in edits),
        *((each.old_start, each.old_end, each) for each in changes),
    ]
    places.sort(key=lambda place: place[:2])
    moved = 0
    while places:
        start, end, first = places.pop(0)
        group = [first]
        while places and places[0][0] - end <= _LINES_BETWEEN:
            _, each_end, each = places.pop(0)
            end = max(end, each_end)
            group.append(each)
        at, stood, grown = start, list[str](), 0
        for each in group:
            if isinstance(each, Change):
                grown += each.end - each.start - (each.old_end - each.old_start)
            else:
                stood += [*before[at : each.start], *each.stood]
                at = each.end
        edit = _Edit(
            start=start + moved,
            end=end + moved + grown,
            stood=(*stood, *before[at:end]),
            order=order if len(group) > 1 or isinstance(first, Change) else first.order,
        )
        moved += grown
        is_small = max(edit.end - edit.start, len(edit.stood)) <= _MOST_LINES
        if is_small and edit.stood != tuple(after[edit.start : edit.end]):
            yield edit


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


def _lines_of(document: Snapshot) -> list[str]:
    """Return a document's lines; none of a very large one."""
    if len(document.text) > _MOST_CHARS:
        return []
    return with_line_feeds(document.text).split("\n")


def _snippets(
    query: Query, edits: Mapping[str, Sequence[_Edit]], lines: Mapping[str, list[str]]
) -> list[Snippet]:
    """Return the edits of the query's other documents as snippets."""
    others = {each.uri for each in query.open_documents}
    shown = [(uri, each) for uri in sorted(others & {*edits}) for each in edits[uri]]
    shown.sort(key=lambda each: -each[1].order)
    del shown[_MOST_EDITS:]
    texts = [_diff(edit, lines.get(uri, [])) for uri, edit in shown]
    alike = similarities(words_near(query.snapshot), [words_of(text) for text in texts])
    return [
        Snippet(
            path=f"{path_in(query.folder, uri)}.diff",
            text=text,
            score=_LATEST_SCORE * _OLDER_SHARE**age * (0.5 + similarity / 2),
            uri=uri,
            is_lasting=False,  # an earlier diff is not how the document is now
        )
        for age, ((uri, _), text, similarity) in enumerate(
            zip(shown, texts, alike, strict=True)
        )
        if text
    ]


def _diff(edit: _Edit, lines: Sequence[str]) -> str:
    """Return what an edit did to its lines, with some around them."""
    now = lines[edit.start : edit.end]
    shown = [
        f" {each}" for each in lines[max(0, edit.start - _LINES_AROUND) : edit.start]
    ]
    at = 0
    for change in changes_between(edit.stood, now):
        shown += [f" {each}" for each in now[at : change.start]]
        shown += [f"-{each}" for each in edit.stood[change.old_start : change.old_end]]
        shown += [f"+{each}" for each in now[change.start : change.end]]
        at = change.end
    rest = [*now[at:], *lines[edit.end : edit.end + _LINES_AROUND]]
    shown += [f" {each}" for each in rest]
    return "\n".join(each.rstrip() for each in shown[:_MOST_SHOWN])
