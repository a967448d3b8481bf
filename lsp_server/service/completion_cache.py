"""The completion cache: suggestions made before, found by the text around the cursor.

It is not the engine's prefix cache, which keeps what the model has read of a prompt.
A user who types the beginning of a suggestion, or takes back what followed it, needs
no new one: the rest of the old one is found, and nothing is generated.

An answer is kept under a hash of the nearest lines above and below its cursor, and
under the text left of it. So it holds wherever these lines go in the document, and an
edit of one of them is enough for it not to be found.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from lsp_server.context.cursor import CursorContext
from lsp_server.outcomes import Reason, Source
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.service.cache_keys import Key, key_of, places_of
from lsp_server.values import CompletionScope, Snapshot

__all__ = [
    "CachedAnswer",
    "CompletionCache",
    "FoundAnswer",
    "before_typing",
    "rest_of",
]

_MOST_ANSWERS = 256
_MOST_BYTES = 1 << 20
_ANSWER_BYTES = 512
"""What an answer takes besides its texts, about."""

_LASTS_S = 300.0
"""Not the text alone decides what is suggested: other files do as well."""

_NOTHING_LASTS_S = 30.0
"""How long it is remembered that there is nothing to suggest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """What there was to suggest at a cursor.

    Attributes:
        texts: The suggestions, best first, with line feeds as line ends.
        scope: How far they might run; None where nothing was generated.
        candidates: How many were generated, of which ``texts`` are left.
        source: Where they come from: `Source.SPECULATION` for what was generated before
            anybody asked, else `Source.CACHE`.
        reason: Why there are no texts; None where there are some.
    """

    texts: tuple[str, ...]
    scope: CompletionScope | None
    candidates: int
    source: Source = Source.CACHE
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAnswer:
    """An answer of before, as far as it holds at the present cursor.

    Attributes:
        answer: What was suggested.
        typed: What was typed since, with line feeds; empty at the same cursor.
        suggestions: The texts that begin with ``typed``, each with its rest.
    """

    answer: CachedAnswer
    typed: str
    suggestions: tuple[tuple[str, str], ...]

    def rests(self, cursor: CursorContext) -> tuple[str, ...]:
        """Return the rests of those suggestions that the filters leave as they are.

        Args:
            cursor: The place that they were made for.
        """
        scope = self.answer.scope
        return tuple(
            rest
            for text, rest in self.suggestions
            if scope is not None and postprocess(text, cursor, scope).text == text
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """An answer in the cache, with its size and when it ends to hold."""

    answer: CachedAnswer
    line_above: str
    size_bytes: int
    until_s: float


class CompletionCache:
    """The answers of one connection, the least recently used given up first.

    Args:
        most_answers: How many are kept.
        most_bytes: How many bytes they take.
        clock: Returns monotonic time in seconds.
    """

    def __init__(
        self,
        *,
        most_answers: int = _MOST_ANSWERS,
        most_bytes: int = _MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_answers = most_answers
        self._most_bytes = most_bytes
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._below: dict[str, dict[str, set[Key]]] = {}
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        """What the answers take, about."""
        return self._size_bytes

    def keep(self, snapshot: Snapshot, answer: CachedAnswer) -> None:
        """Keep what there is to suggest at the snapshot's cursor."""
        key, line_above = key_of(snapshot)
        texts = "".join(answer.texts).encode("utf-8", errors="replace")
        lasts_s = _LASTS_S if answer.texts else _NOTHING_LASTS_S
        self._drop(key)
        self._kept[key] = _Kept(
            answer=answer,
            line_above=line_above,
            size_bytes=len(texts) + _ANSWER_BYTES,
            until_s=self._clock() + lasts_s,
        )
        self._below.setdefault(line_above, {}).setdefault(key[1], set()).add(key)
        self._size_bytes += self._kept[key].size_bytes
        while self._kept and (
            len(self._kept) > self._most_answers or self._size_bytes > self._most_bytes
        ):
            self._drop(next(iter(self._kept)))

    def find(self, snapshot: Snapshot, *, candidates: int = 1) -> FoundAnswer | None:
        """Find the latest answer that the text left of the cursor begins or repeats.

        That there is nothing to suggest holds at the same cursor only.

        Args:
            snapshot: The document and the cursor.
            candidates: How many suggestions are asked for. If several, an answer of
                which only one is left after typing is not found: the user wants a
                choice.
        """
        for keys, typed, surroundings in places_of(snapshot, self._below):
            least = min(candidates, 2) if typed else 0
            for key in tuple(keys):
                kept = self._kept[key]
                found = _found(kept.answer, typed)
                if found is None or len(found.suggestions) < least:
                    continue
                if kept.answer.candidates < candidates or key[0] != surroundings():
                    continue
                if kept.until_s <= self._clock():
                    self._drop(key)
                    continue
                self._kept.move_to_end(key)
                return found
        return None

    def _drop(self, key: Key) -> None:
        """Forget an answer, if there is one."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self._size_bytes -= kept.size_bytes
        texts = self._below[kept.line_above]
        texts[key[1]].discard(key)
        if not texts[key[1]]:
            del texts[key[1]]
        if not texts:
            del self._below[kept.line_above]


def rest_of(text: str, typed: str) -> str | None:
    """Return what is left of a suggestion whose beginning was typed; None if it is not.

    An editor that indents a new line may do so in its own way. Then the lines of the
    suggestion below it follow, unless one is indented less: by how much is not known.

    Args:
        text: The suggestion.
        typed: What was typed at its cursor since.
    """
    if text.startswith(typed):
        return text[len(typed) :]
    first, line_end, below = typed.partition("\n")
    if not line_end or not text.startswith(first + line_end):
        return None
    lines = text[len(first) + 1 :].split("\n")
    made, given = _blanks_of(below), _blanks_of(lines[0])
    if not lines[0].strip() or any(
        line.strip() and not line.startswith(given) for line in lines
    ):
        return None
    moved = "\n".join(
        made + line[len(given) :] if line.startswith(given) else line for line in lines
    )
    return moved[len(below) :] if moved.startswith(below) else None


def before_typing(snapshot: Snapshot, typed: str) -> Snapshot | None:
    """Return the snapshot without what was typed left of its cursor.

    Args:
        snapshot: The document and the cursor.
        typed: What was typed, with line feeds.

    Returns:
        None where text could not be put in at the cursor, within a line end.
    """
    before = snapshot.before
    if before.endswith("\r"):
        return None
    for raw in (typed.replace("\n", "\r\n"), typed):
        if before.endswith(raw):
            start = snapshot.offset - len(raw)
            text = before[:start] + snapshot.after
            return replace(snapshot, text=text, offset=start)
    return None


def _found(answer: CachedAnswer, typed: str) -> FoundAnswer | None:
    """Return what of an answer still holds after ``typed``; None if nothing does."""
    rests = [(text, rest_of(text, typed)) for text in answer.texts]
    suggestions = tuple([(text, rest) for text, rest in rests if rest and rest.strip()])
    if not suggestions and (typed or answer.texts):
        return None
    return FoundAnswer(answer=answer, typed=typed, suggestions=suggestions)


def _blanks_of(text: str) -> str:
    """Return the blanks that ``text`` begins with."""
    return text[: len(text) - len(text.lstrip(" \t"))]
