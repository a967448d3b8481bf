"""Chooses which part of a window becomes the middle.

Sources: random spans of characters are those of Bavarian et al., arXiv 2207.14255;
whole syntax nodes are the idea of Gong et al., arXiv 2506.00204. That middles also
follow a cursor is for the editor's sake.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import TypeAlias

from training.train.config import Cuts
from training.train.lots import length_between
from training.train.outline import Outline, Span

__all__ = ["choose_middle"]

_LINE_TRIES = 12
"""Lines that are looked at to find one that is not blank."""

_NODE_TRIES = 64
"""Nodes that are looked at to find one of about the wished length: most are names."""

_Way: TypeAlias = Callable[[str, Span, Outline, random.Random, Cuts], Span]


def choose_middle(
    text: str, window: Span, outline: Outline, rng: random.Random, cuts: Cuts
) -> Span:
    """Choose the middle of one window of ``text``.

    Where there is nothing of the kind that was drawn, a span of characters takes its
    place.
    """
    shares: dict[str, float] = asdict(cuts.shares)
    (kind,) = rng.choices(list(shares), weights=list(shares.values()))
    return _WAYS[kind](text, window, outline, rng, cuts)


def _character_span(
    _text: str, window: Span, _outline: Outline, rng: random.Random, cuts: Cuts
) -> Span:
    start, end = window
    length = length_between((end - start) // 3, rng, evenly=cuts.even_lengths)
    first = rng.randint(start, end - length)
    return first, first + length


def _whole_node(
    text: str, window: Span, outline: Outline, rng: random.Random, cuts: Cuts
) -> Span:
    found = _some_span(outline.nodes, window, rng, cuts)
    return found or _character_span(text, window, outline, rng, cuts)


def _whole_block(
    text: str, window: Span, outline: Outline, rng: random.Random, cuts: Cuts
) -> Span:
    """Choose a statement or a body that stands on lines of its own."""
    found = _some_span(outline.blocks, window, rng, cuts)
    if found is None:
        return _character_span(text, window, outline, rng, cuts)
    start = text.rfind("\n", window[0], found[0]) + 1 or window[0]
    if text[start : found[0]].strip():
        return found
    stop = text.find("\n", found[1], window[1])
    return _on_lines((start, *found), stop, rng)


def _whole_line(
    text: str, window: Span, _outline: Outline, rng: random.Random, _cuts: Cuts
) -> Span:
    line = _some_line(text, window, rng)
    code = line[0] + _indent(text, line)
    stop = line[1] if text[line[1] : window[1]] else -1
    return _on_lines((line[0], code, line[1]), stop, rng)


def _on_lines(places: tuple[int, int, int], stop: int, rng: random.Random) -> Span:
    """Return whole lines as they are missing in editors and in benchmarks.

    Half begin behind their indentation. The others begin at the start of their line,
    and half of these end behind the line end, so that the suffix begins with a line.

    Args:
        places: Where the first line begins, where its code does, and where the last
            line's code ends.
        stop: The line end behind that; -1 if the window has none.
        rng: Where the lot comes from.
    """
    line_start, code_start, code_end = places
    last = max(stop, code_end)
    if rng.random() < 1 / 2:
        return code_start, last
    return line_start, last + (rng.randint(0, 1) if stop >= 0 else 0)


def _in_line(
    text: str, window: Span, _outline: Outline, rng: random.Random, _cuts: Cuts
) -> Span:
    line = _some_line(text, window, rng)
    code = line[0] + _indent(text, line)
    return rng.randint(min(code + 1, line[1]), line[1]), line[1]


def _some_span(
    spans: Sequence[Span], window: Span, rng: random.Random, cuts: Cuts
) -> Span | None:
    """Choose a span within the window that has about a length drawn by lot.

    It is at most half as long as the window, or a third where lengths are even.
    """
    start, end = window
    low, high = (bisect_left(spans, (at, at)) for at in window)
    longest = (end - start) // (3 if cuts.even_lengths else 2)
    tried = [
        spans[rng.randrange(low, high)] for _ in range(_NODE_TRIES if low < high else 0)
    ]
    fitting = [s for s in tried if s[1] <= end and 0 < s[1] - s[0] <= longest]
    if not fitting:
        return None
    wished = length_between(longest, rng, evenly=cuts.even_lengths)
    return min(fitting, key=lambda s: abs(math.log((s[1] - s[0]) / wished)))


def _from_cursor(
    text: str, window: Span, outline: Outline, rng: random.Random, _cuts: Cuts
) -> Span:
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
    """Return a line of the window without its end, and no blank one if it can be."""
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
    """Return the end of the last statement that begins before the line does end."""
    at = bisect_right(outline.statements, (rest[1], 0)) - 1
    found = outline.statements[at][1] if at >= 0 else 0
    return max(found, _line_end(text, rest, outline))


def _block_end(text: str, rest: Span, _outline: Outline) -> int:
    """Return the end of the last line in a row that is indented as far as this one."""
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


_WAYS: Mapping[str, _Way] = MappingProxyType(
    {
        "cursor": _from_cursor,
        "in_line": _in_line,
        "line": _whole_line,
        "block": _whole_block,
        "node": _whole_node,
        "span": _character_span,
    }
)
"""How to choose a middle of each kind of `training.train.config.Shares`."""
