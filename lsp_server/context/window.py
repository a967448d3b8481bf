"""Chooses the prefix and the suffix around a cursor, in whole lines where possible.

The window must not move while the user types, because the engine's prefix cache keeps a
prompt only up to the first token that differs. Therefore:

- The prefix starts at a line whose number, counted from the start of the file, is a
  multiple of a step. The start moves by a whole step at a time.
- The prefix is encoded in chunks of a quarter of a step. A key changes only the tokens
  of the last chunk, and the tokenizer caches the others.
- The suffix is a fixed number of lines counted from the cursor, and does not depend on
  anything left of it. Neither a key nor Enter changes it.

Only text near the cursor is encoded, whatever the size of the document.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lsp_server.text import count_line_ends, line_starts, with_line_feeds
from lsp_server.values import Snapshot, Window

__all__ = ["Encode", "LineWindows"]

_MAX_CHARS_PER_TOKEN = 16
"""The text considered has this many characters per token; code has three to five."""

_CHUNKS_PER_STEP = 4
"""Chunks are small, so that a key causes little text to be encoded again."""

_SUFFIX_STEP_LINES = 8
"""The lines of a chunk behind the cursor."""

_LIKELY_CHARS_PER_TOKEN = 4.5
"""How much text is encoded ahead: nearly all that is needed, and little more."""

TokenIds = tuple[int, ...]
Encode = Callable[[str], TokenIds]
EncodeAhead = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """How far the prefix reaches back from the cursor.

    Attributes:
        start: Where the prefix starts.
        ids: Its tokens.
        met_oversized: Whether one step took more than half of the budget.
    """

    start: int
    ids: TokenIds
    met_oversized: bool


class LineWindows:
    """Chooses windows that stay the same from key to key."""

    def __init__(
        self,
        *,
        encode: Encode,
        step_lines: int,
        suffix_lines: int,
        encode_ahead: EncodeAhead | None = None,
    ) -> None:
        """Choose with this encoder, in steps of this many lines.

        Args:
            encode: Returns the tokens of a text.
            step_lines: The lines between two possible starts of the prefix.
            suffix_lines: The most lines of suffix below the cursor's line.
            encode_ahead: Takes texts that will most likely be encoded next; an encoder
                can process several in parallel.
        """
        self._encode = encode
        self._step_lines = step_lines
        self._suffix_lines = suffix_lines
        self._encode_ahead = encode_ahead

    def choose(
        self, snapshot: Snapshot, *, total_tokens: int, suffix_tokens: int
    ) -> Window:
        """Choose at most ``total_tokens``, of them ``suffix_tokens`` of suffix.

        The prefix gets what the suffix leaves. It uses at least half of that where the
        document has as much text.
        """
        text, offset = snapshot.text, snapshot.offset
        suffix_cap = min(suffix_tokens, total_tokens)
        if self._encode_ahead is not None:
            prefix = self._likely_prefix(text, offset, total_tokens - suffix_cap)
            suffix = self._likely_suffix(text, offset, suffix_cap)
            self._encode_ahead([*prefix, *suffix])
        suffix_ids = self._suffix(text, offset, suffix_cap)
        prefix_ids = self._prefix(text, offset, total_tokens - len(suffix_ids))
        return Window(prefix_ids=prefix_ids, suffix_ids=suffix_ids)

    def _likely_prefix(self, text: str, offset: int, max_tokens: int) -> Iterator[str]:
        """Yield the chunks that `_prefix` will most likely encode."""
        begin = max(0, offset - int(max_tokens * _LIKELY_CHARS_PER_TOKEN))
        end = offset
        chunk_lines = _chunk_lines(self._step_lines)
        for number, at in _lines_back(text, begin, offset):
            if number % chunk_lines == 0 and at < end:
                yield with_line_feeds(text[at:end])
                end = at

    def _prefix(self, text: str, offset: int, max_tokens: int) -> TokenIds:
        """Return the tokens of the prefix.

        Smaller and smaller steps are tried until none is too large for the budget; if
        that does not use half of it, a line is cut.
        """
        begin = max(0, offset - max_tokens * _MAX_CHARS_PER_TOKEN)
        ids: TokenIds = ()
        for step in _halvings(self._step_lines):
            chunk_lines = _chunk_lines(step)
            chunks = (
                (at, number % step == 0)
                for number, at in _lines_back(text, begin, offset)
                if number % chunk_lines == 0
            )
            walk = self._walk_back(text, chunks, offset, max_tokens)
            ids = walk.ids
            # Most of the text considered may be the end of one long line.
            saw_little = begin > 0 and (walk.start - begin) * 2 > offset - begin
            is_half_empty = len(ids) * 2 < max_tokens
            if not walk.met_oversized and not (saw_little and is_half_empty):
                return ids
        if len(ids) * 2 >= max_tokens:
            return ids
        return self._prefix_within_line(text, begin, offset, max_tokens)

    def _prefix_within_line(
        self, text: str, begin: int, offset: int, max_tokens: int
    ) -> TokenIds:
        """Cut a line that is too long, at a multiple of some number of characters."""
        ids: TokenIds = ()
        for step_chars in _halvings(max_tokens):
            first = -(-begin // step_chars) * step_chars
            cuts = (
                (at, True)
                for at in reversed(range(first, offset + 1, step_chars))
                if text[max(0, at - 1) : at + 1] != "\r\n"
            )
            walk = self._walk_back(text, cuts, offset, max_tokens)
            ids = walk.ids
            if not walk.met_oversized:
                break
        return ids

    def _walk_back(
        self,
        text: str,
        chunks: Iterable[tuple[int, bool]],
        offset: int,
        max_tokens: int,
    ) -> _Walk:
        """Return the chunks left of the cursor that fit, the nearest steps first.

        Args:
            text: The document.
            chunks: Where each chunk begins, the nearest one first, and whether a step
                begins there too.
            offset: The cursor.
            max_tokens: The prefix's budget.
        """
        kept: list[TokenIds] = []  # the nearest chunk first
        whole = used = tokens = 0  # chunks and tokens of whole steps, tokens of all
        start = end = offset
        oversized = False
        for at, begins_step in chunks:
            if (start - at) * 2 > max_tokens * _MAX_CHARS_PER_TOKEN:
                oversized = True
                break
            kept.append(self._encode(with_line_feeds(text[at:end])))
            tokens += len(kept[-1])
            end = at
            oversized = (tokens - used) * 2 > max_tokens
            if oversized or tokens > max_tokens:
                break
            if begins_step:
                whole, used, start = len(kept), tokens, at
        joined = tuple(itertools.chain.from_iterable(reversed(kept[:whole])))
        return _Walk(start=start, ids=joined, met_oversized=oversized)

    def _suffix(self, text: str, offset: int, max_tokens: int) -> TokenIds:
        """Return the tokens of the suffix."""
        numbered, limit = self._lines_below(text, offset, max_tokens)
        last = [limit] if limit is not None else []
        taken: list[int] = []
        end = offset
        for step in _halvings(_SUFFIX_STEP_LINES):
            edges = [at for number, at in numbered if number % step == 0] + last
            for edge in edges:
                if edge <= end:
                    continue
                ids = self._encode(with_line_feeds(text[end:edge]))
                if len(taken) + len(ids) > max_tokens:
                    break
                taken.extend(ids)
                end = edge
        if taken or not max_tokens:
            return tuple(taken)
        return self._suffix_within_line(text, offset, max_tokens)

    def _likely_suffix(self, text: str, offset: int, max_tokens: int) -> Iterator[str]:
        """Yield the chunks that `_suffix` will most likely encode."""
        reach = int(max_tokens * _LIKELY_CHARS_PER_TOKEN)
        begin = offset
        for number, at in self._lines_below(text, offset, max_tokens)[0]:
            if at > offset + reach:
                return
            if number % _SUFFIX_STEP_LINES == 0:
                yield with_line_feeds(text[begin:at])
                begin = at

    def _lines_below(
        self, text: str, offset: int, max_tokens: int
    ) -> tuple[list[tuple[int, int]], int | None]:
        """Return the lines below the cursor that the suffix may hold.

        Returns:
            The number, from the cursor, and the start of each line; and where the last
            one ends, None where the text considered ends within a line.
        """
        reach = min(len(text), offset + max_tokens * _MAX_CHARS_PER_TOKEN)
        starts = line_starts(text, offset, reach)
        numbered = list(enumerate(starts[: self._suffix_lines + 1], 1))
        if len(starts) > self._suffix_lines:
            return numbered, starts[self._suffix_lines]
        return numbered, len(text) if reach == len(text) else None

    def _suffix_within_line(self, text: str, offset: int, max_tokens: int) -> TokenIds:
        """Return what fits of a line that is too long."""
        for chars in _halvings(max_tokens):
            ids = self._encode(with_line_feeds(text[offset : offset + chars]))
            if len(ids) <= max_tokens:
                return ids
        return ()


def _lines_back(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the number and the start of each line that begins in ``[begin, end]``.

    The nearest to ``end`` comes first: most callers need only a few.
    """
    number = count_line_ends(text, end)
    if text.find("\r", begin, end) >= 0:
        for at in reversed(line_starts(text, begin, end)):
            yield number, at
            number -= 1
    else:
        found = text.rfind("\n", begin, end)
        while found >= 0:
            yield number, found + 1
            number -= 1
            found = text.rfind("\n", begin, found)
    if begin == 0:
        yield 0, 0


def _chunk_lines(step_lines: int) -> int:
    """Return how many lines left of the cursor are encoded together."""
    return max(1, step_lines // _CHUNKS_PER_STEP)


def _halvings(start: int) -> Iterator[int]:
    """Yield ``start``, its half, and so on down to 1."""
    while start >= 1:
        yield start
        start //= 2
