"""Chooses the prefix and the suffix around a cursor, in whole lines where it can.

The window must not move while the user types: the engine keeps what it has computed
for a prompt only up to the first token that differs. So:

- The left cut lies on a line whose number is a multiple of a step, counted from the
  start of the file, and jumps one step at a time.
- The prefix is encoded in pieces of a quarter of a step, so a key changes the tokens of
  the last piece only; the tokenizer remembers the others.
- The suffix depends on nothing left of the cursor.

Only a stretch of text around the cursor is ever looked at closely, whatever the size
of the document.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lsp_server.text import count_line_ends, line_starts, with_line_feeds
from lsp_server.values import Snapshot, Window

__all__ = ["LineWindows"]

_MAX_CHARS_PER_TOKEN = 16
"""A stretch of this many characters per token is looked at; code has three to five."""

_PIECES_PER_STEP = 4
"""A piece is small, so that little is encoded anew on a key."""

_SUFFIX_STEP_LINES = 8
"""Lines that are encoded together behind the cursor."""

_LIKELY_CHARS_PER_TOKEN = 4.5
"""As much text is encoded ahead: nearly all that is needed, and little more."""

Encode = Callable[[str], tuple[int, ...]]
EncodeAhead = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """How far a walk back from the cursor came.

    Attributes:
        start: Where the kept text begins.
        ids: The kept text's tokens.
        met_oversized: Whether a step took more than half of the budget.
    """

    start: int
    ids: tuple[int, ...]
    met_oversized: bool


class LineWindows:
    """Chooses windows that hold still from key to key."""

    def __init__(
        self,
        *,
        encode: Encode,
        step_lines: int,
        encode_ahead: EncodeAhead | None = None,
    ) -> None:
        """Choose with this encoder, in steps of this many lines.

        Args:
            encode: Gives the tokens of a block.
            step_lines: Lines between two places for the left cut.
            encode_ahead: Told of the blocks that will be encoded next, most of them
                at least; an encoder can take several at once.
        """
        self._encode = encode
        self._step_lines = step_lines
        self._encode_ahead = encode_ahead

    def choose(
        self, snapshot: Snapshot, *, total_tokens: int, suffix_tokens: int
    ) -> Window:
        """Choose at most ``total_tokens``, of them ``suffix_tokens`` of suffix.

        What the suffix leaves is the prefix's. At least half of the prefix's part is
        used where the document has as much.
        """
        text, offset = snapshot.text, snapshot.offset
        suffix_cap = min(suffix_tokens, total_tokens)
        if self._encode_ahead is not None:
            prefix = self._prefix_ahead(text, offset, total_tokens - suffix_cap)
            suffix = _suffix_ahead(text, offset, suffix_cap)
            self._encode_ahead([*prefix, *suffix])
        suffix_end, suffix_ids = self._suffix(text, offset, suffix_cap)
        start, prefix_ids = self._prefix(text, offset, total_tokens - len(suffix_ids))
        return Window(
            prefix_ids=prefix_ids,
            suffix_ids=suffix_ids,
            dropped_prefix_chars=start,
            dropped_suffix_chars=len(text) - suffix_end,
        )

    def _prefix_ahead(self, text: str, offset: int, max_tokens: int) -> Iterator[str]:
        """Give the blocks that `_prefix` will most likely encode."""
        begin = max(0, offset - int(max_tokens * _LIKELY_CHARS_PER_TOKEN))
        end = offset
        piece = _piece_lines(self._step_lines)
        for number, at in reversed(_numbered_lines(text, begin, offset)):
            if number % piece == 0 and at < end:
                yield with_line_feeds(text[at:end])
                end = at

    def _prefix(
        self, text: str, offset: int, max_tokens: int
    ) -> tuple[int, tuple[int, ...]]:
        """Give where the prefix starts, and its tokens."""
        begin = max(0, offset - max_tokens * _MAX_CHARS_PER_TOKEN)
        numbered = _numbered_lines(text, begin, offset)
        walk = _Walk(start=offset, ids=(), met_oversized=False)
        for step in _halvings(self._step_lines):
            piece = _piece_lines(step)
            pieces = [
                (at, number % step == 0)
                for number, at in numbered
                if number % piece == 0
            ]
            walk = self._walk_back(text, pieces, offset, max_tokens)
            # Most of the stretch that was looked at may be the end of one long line.
            saw_little = begin > 0 and (walk.start - begin) * 2 > offset - begin
            is_half_empty = len(walk.ids) * 2 < max_tokens
            if not walk.met_oversized and not (saw_little and is_half_empty):
                return walk.start, walk.ids
        if len(walk.ids) * 2 >= max_tokens:
            return walk.start, walk.ids
        return self._prefix_within_line(text, begin, offset, max_tokens)

    def _prefix_within_line(
        self, text: str, begin: int, offset: int, max_tokens: int
    ) -> tuple[int, tuple[int, ...]]:
        """Cut inside of a line that is too long, at a multiple of some characters."""
        walk = _Walk(start=offset, ids=(), met_oversized=False)
        for step_chars in _halvings(max_tokens):
            first = -(-begin // step_chars) * step_chars
            cuts = [
                (at, True)
                for at in range(first, offset + 1, step_chars)
                if text[max(0, at - 1) : at + 1] != "\r\n"
            ]
            walk = self._walk_back(text, cuts, offset, max_tokens)
            if not walk.met_oversized:
                break
        return walk.start, walk.ids

    def _walk_back(
        self,
        text: str,
        pieces: Sequence[tuple[int, bool]],
        offset: int,
        max_tokens: int,
    ) -> _Walk:
        """Take step after step, from the cursor back, while they fit.

        Args:
            text: The document.
            pieces: Where pieces begin, and whether a step begins there too.
            offset: The cursor.
            max_tokens: The prefix's budget.
        """
        kept: list[tuple[int, ...]] = []  # the nearest piece first
        whole = used = tokens = 0  # pieces and tokens of whole steps, tokens of all
        start = end = offset
        oversized = False
        for at, begins_step in reversed(pieces):
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

    def _suffix(
        self, text: str, offset: int, max_tokens: int
    ) -> tuple[int, tuple[int, ...]]:
        """Return where the suffix ends, and its tokens."""
        limit = min(len(text), offset + max_tokens * _MAX_CHARS_PER_TOKEN)
        # Counted from the cursor: a line typed above must not move the blocks.
        numbered = list(enumerate(line_starts(text, offset, limit), 1))
        last = [limit] if limit == len(text) else []
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
            return end, tuple(taken)
        return self._suffix_within_line(text, offset, max_tokens)

    def _suffix_within_line(
        self, text: str, offset: int, max_tokens: int
    ) -> tuple[int, tuple[int, ...]]:
        """Take what fits of a line that is too long."""
        for chars in _halvings(max_tokens):
            end = min(len(text), offset + chars)
            ids = self._encode(with_line_feeds(text[offset:end]))
            if len(ids) <= max_tokens:
                return end, ids
        return offset, ()


def _suffix_ahead(text: str, offset: int, max_tokens: int) -> Iterator[str]:
    """Give the blocks that `LineWindows` will most likely encode behind the cursor."""
    limit = min(len(text), offset + int(max_tokens * _LIKELY_CHARS_PER_TOKEN))
    begin = offset
    for at in line_starts(text, offset, limit)[
        _SUFFIX_STEP_LINES - 1 :: _SUFFIX_STEP_LINES
    ]:
        yield with_line_feeds(text[begin:at])
        begin = at


def _numbered_lines(text: str, begin: int, end: int) -> list[tuple[int, int]]:
    """Give the number and the start of each line that begins in ``[begin, end]``."""
    starts = line_starts(text, begin, end)
    if begin == 0:
        return list(enumerate([0, *starts]))
    return list(enumerate(starts, count_line_ends(text, begin) + 1))


def _piece_lines(step_lines: int) -> int:
    """Give how many lines are encoded together, left of the cursor."""
    return max(1, step_lines // _PIECES_PER_STEP)


def _halvings(start: int) -> Iterator[int]:
    """Give ``start``, its half, and so on down to 1."""
    while start >= 1:
        yield start
        start //= 2
