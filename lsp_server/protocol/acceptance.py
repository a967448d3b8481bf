"""Whether a suggestion was accepted, and how much of its text is kept.

`AcceptanceWatch` sees it in a document's changes, for editors that insert an item and
never run its command. A change that adds at once what is left of the suggestion, or its
next word or line, is an acceptance; one key is not, nor are the brackets and the
indentation that editors add by themselves.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from lsp_server.protocol.inline_completion import Place, typed_between
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot

__all__ = ["AcceptanceWatch", "Accepted", "kept_chars"]

_DOCUMENTS = 8
"""Documents whose last answer is remembered; each holds its text."""

_LEAST_CHARS = 2
_NEXT_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)[ \t]*")
_NEXT_LINE = re.compile(r"\n?[^\n]*\n?")

_WORD = re.compile(r"\w+|[^\w\s]")
_TELLING_CHARS = 3
"""Words shorter than this stand everywhere."""

_MOST_COMPARED = 64
"""Lines of the document that one changed line is compared with at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An acceptance that was seen.

    Attributes:
        completion_id: The item's id.
        chars: How much of the item is in the document, from its beginning.
        is_whole: Whether that is all of it.
    """

    completion_id: str
    chars: int
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The last answer for a document: what the document was, and what was offered.

    Attributes:
        place: The place of the request.
        snapshot: The document that the items were made for.
        items: The id and the text of each, from the snapshot's cursor on.
        skipped: Characters of each item's own text left of the cursor.
        typed: What of an item is there already.
    """

    place: Place
    snapshot: Snapshot
    items: tuple[tuple[str, str], ...]
    skipped: int
    typed: str = ""


class AcceptanceWatch:
    """Follows the last answer of each document of one editor."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, _Answer] = OrderedDict()

    def shown(
        self, place: Place, items: Sequence[tuple[str, str]], *, skipped: int
    ) -> None:
        """Remember an answer in place of the document's last one.

        Args:
            place: The place of the request.
            items: The id and the text of each item.
            skipped: Characters of the items' text that stand left of the cursor.
        """
        snapshot, typed = place.snapshot, place.typed()
        if typed:
            text = snapshot.before + typed + snapshot.after
            snapshot = replace(snapshot, text=text, offset=snapshot.offset + len(typed))
        self._answers.pop(snapshot.uri, None)
        self._answers[snapshot.uri] = _Answer(
            place=place,
            snapshot=snapshot,
            items=tuple((name, text[skipped:]) for name, text in items),
            skipped=skipped,
        )
        while len(self._answers) > _DOCUMENTS:
            self._answers.popitem(last=False)

    def forget(self, uri: str) -> None:
        """Forget a document."""
        self._answers.pop(uri, None)

    def changed(self, uri: str) -> Accepted | None:
        """Return what a document's last change accepts; None where it is nothing."""
        answer = self._answers.get(uri)
        if answer is None:
            return None
        document = answer.place.documents.current(uri)
        if document is not answer.place.document:
            del self._answers[uri]
            return None
        raw = typed_between(answer.snapshot, document.text)
        typed = None if raw is None else with_line_feeds(raw)
        if typed is None or not any(each.startswith(typed) for _, each in answer.items):
            del self._answers[uri]
            return None
        self._answers[uri] = replace(answer, typed=typed)
        for name, suggestion in answer.items:
            if suggestion.startswith(typed) and _is_taken(
                typed[len(answer.typed) :], suggestion[len(answer.typed) :]
            ):
                is_whole = typed == suggestion
                if is_whole:
                    del self._answers[uri]
                return Accepted(
                    completion_id=name,
                    chars=answer.skipped + len(typed),
                    is_whole=is_whole,
                )
        return None


def _is_taken(added: str, rest: str) -> bool:
    """Return whether a change takes what is left of a suggestion, a word or a line."""
    is_telling = len(added.strip()) >= _LEAST_CHARS and any(map(str.isalnum, added))
    if not is_telling:
        return False
    if added == rest:
        return True
    parts = (pattern.match(rest) for pattern in (_NEXT_WORD, _NEXT_LINE))
    return any(
        part is not None and added.strip() == part.group().strip() for part in parts
    )


def _solid_chars(text: str) -> int:
    """Return how many characters of a text are no blanks."""
    return sum(len(word) for word in text.split())


def kept_chars(accepted: str, document: str) -> int:
    """Return how many of an accepted text's characters, blanks aside, still stand.

    A line counts wherever it is now and however it is indented, once for each time
    that it stands there; of a line that was changed, the words that are left in order.

    Args:
        accepted: The text as it was accepted.
        document: The document's text now.
    """
    text = with_line_feeds(document)
    lines = [line.strip() for line in text.split("\n")]
    whole = Counter(lines)
    kept = 0
    for line in filter(None, map(str.strip, with_line_feeds(accepted).split("\n"))):
        if whole[line]:
            whole[line] -= 1
            kept += _solid_chars(line)
        elif line in text:  # within a line: the first or the last one of a suggestion
            kept += _solid_chars(line)
        else:
            kept += _most_in_common(line, lines)
    return kept


def _most_in_common(line: str, lines: list[str]) -> int:
    """Return the most characters of a line's words that one of the lines has, too."""
    words = _WORD.findall(line)
    telling = {word for word in words if len(word) >= _TELLING_CHARS}
    similar = [each for each in lines if any(word in each for word in telling)]
    return max(
        (_in_common(words, _WORD.findall(each)) for each in similar[:_MOST_COMPARED]),
        default=0,
    )


def _in_common(words: list[str], others: list[str]) -> int:
    """Return the characters of those words that stand in both, in the same order."""
    matcher = SequenceMatcher(a=words, b=others, autojunk=False)
    return sum(
        len(word)
        for block in matcher.get_matching_blocks()
        for word in words[block.a : block.a + block.size]
    )
