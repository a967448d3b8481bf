"""Cuts documents into prefix, middle and suffix.

The three together are the window that was cut, character for character. Nothing here
knows of tokens.

Sources: random spans of characters are those of Bavarian et al., arXiv 2207.14255;
whole syntax nodes are the idea of Gong et al., arXiv 2506.00204. That the cut also
follows a cursor is for the editor's sake.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from models.train.outline import Outline, Span

__all__ = ["Cut", "cut_window", "windows"]

_LINE_TRIES = 12
"""Lines that are looked at to find one that is not blank."""

_NODE_TRIES = 64
"""Nodes that are looked at to find one of about the wished length: most are names."""

_SHORTEST_SPAN = 1 / 50
"""As a share of the longest. Were single characters as frequent as long spans, few
tokens of a corpus would be middles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A window in three parts.

    Attributes:
        prefix: What stands before the middle.
        middle: What the model has to write; may be empty.
        suffix: What stands behind it.
    """

    prefix: str
    middle: str
    suffix: str


def windows(
    text: str, *, shortest_chars: int, longest_chars: int, rng: random.Random
) -> Iterator[Span]:
    """Divide ``text`` into windows of whole lines, without a gap.

    Lengths are log-uniform. A line longer than its window is a window of its own, and
    a short rest stays with the window before it.
    """
    start = 0
    while start < len(text):
        length = int(_log_uniform(shortest_chars, longest_chars, rng))
        end = text.rfind("\n", start, start + length) + 1
        if start + length >= len(text):
            end = len(text)
        elif end <= start:
            end = text.find("\n", start) + 1 or len(text)
        if len(text) - end < shortest_chars and len(text) - start <= longest_chars:
            end = len(text)
        yield start, end
        start = end


def cut_window(
    text: str,
    window: Span,
    outline: Outline,
    rng: random.Random,
    *,
    cursor_share: float,
) -> Cut:
    """Cut the window of ``text`` in one of three ways.

    ``cursor_share`` is the share that is cut from a cursor to an end; the other two are
    a span of characters and a whole node of the syntax tree, one as likely as the
    other. Where there is no node, a span of characters takes its place.
    """
    at_cursor = rng.random() < cursor_share
    way = _from_cursor if at_cursor else rng.choice((_character_span, _whole_node))
    first, last = way(text, window, outline, rng)
    return Cut(
        prefix=text[window[0] : first],
        middle=text[first:last],
        suffix=text[last : window[1]],
    )


def _log_uniform(low: float, high: float, rng: random.Random) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _span_length(longest: int, rng: random.Random) -> int:
    """Draw a length of at least one and at most ``longest`` characters."""
    return max(int(longest * _log_uniform(_SHORTEST_SPAN, 1, rng)), 1)


def _character_span(
    _text: str, window: Span, _outline: Outline, rng: random.Random
) -> Span:
    start, end = window
    length = _span_length((end - start) // 3, rng)
    first = rng.randint(start, end - length)
    return first, first + length


def _whole_node(text: str, window: Span, outline: Outline, rng: random.Random) -> Span:
    """Choose a node of at most half the window, lengths about log-uniform."""
    start, end = window
    nodes = outline.nodes
    low, high = (bisect_left(nodes, (at, at)) for at in window)
    longest = (end - start) // 2
    tried = [
        nodes[rng.randrange(low, high)] for _ in range(_NODE_TRIES if low < high else 0)
    ]
    fitting = [s for s in tried if s[1] <= end and 0 < s[1] - s[0] <= longest]
    if not fitting:
        return _character_span(text, window, outline, rng)
    wished = math.log(_span_length(longest, rng))
    return min(fitting, key=lambda s: abs(math.log(s[1] - s[0]) - wished))


def _from_cursor(text: str, window: Span, outline: Outline, rng: random.Random) -> Span:
    """Set a cursor on a line that is not blank, and end where the line's sense does."""
    start, end = window
    line = _some_line(text, window, rng)
    code = line[0] + _indent(text, line)
    cursor = rng.choice((line[0], code, rng.randint(code, line[1])))
    stop = rng.choice((_line_end, _line_end, _statement_end, _block_end))
    last = min(stop(text, (cursor, line[1]), outline), end)
    if last - cursor > (end - start) // 2:
        last = line[1]
    # A whole line may be wanted with its end, so that the suffix begins with a line.
    if cursor == line[0] and text[last:end].startswith("\n"):
        last += rng.randint(0, 1)
    return max(cursor, start), last


def _some_line(text: str, window: Span, rng: random.Random) -> Span:
    """Give a line of the window, without its end, and not a blank one if it can be."""
    start, end = window
    line = (start, start)
    for _ in range(_LINE_TRIES):
        at = rng.randrange(start, end)
        # A place within a long line is as likely as its length: jump to the next line.
        first = text.find("\n", at, end) + 1
        first = start if first in {0, end} else first
        last = text.find("\n", first, end)
        line = (first, end if last < 0 else last)
        if text[line[0] : line[1]].strip():
            break
    return line


def _indent(text: str, line: Span) -> int:
    body = text[line[0] : line[1]]
    return len(body) - len(body.lstrip())


def _line_end(_text: str, rest: Span, _outline: Outline) -> int:
    return rest[1]


def _statement_end(text: str, rest: Span, outline: Outline) -> int:
    """Give the end of the last statement that begins before the line does end."""
    at = bisect_right(outline.statements, (rest[1], 0)) - 1
    found = outline.statements[at][1] if at >= 0 else 0
    return max(found, _line_end(text, rest, outline))


def _block_end(text: str, rest: Span, _outline: Outline) -> int:
    """Give the end of the last line in a row that is indented as far as this one."""
    last = rest[1]
    line_start = text.rfind("\n", 0, rest[0]) + 1
    depth = _indent(text, (line_start, rest[1]))
    while last < len(text):
        following = text.find("\n", last + 1)
        line = (last + 1, len(text) if following < 0 else following)
        body = text[line[0] : line[1]]
        if body.strip() and _indent(text, line) < depth:
            break
        last = line[1]
        if following < 0:
            break
    # Blank lines at the end belong to what follows.
    return max(len(text[:last].rstrip()) if last > rest[1] else last, rest[1])
