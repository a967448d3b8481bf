"""Cuts documents into windows, and windows into prefix, middle and suffix.

The three parts together are the window, character for character. Nothing here knows of
tokens. Lengths are in characters.

Sources: random spans of characters are those of Bavarian et al., arXiv 2207.14255;
whole syntax nodes are the idea of Gong et al., arXiv 2506.00204. Middles that begin at
a cursor are what an editor asks for.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TypeAlias

from training.train.config import Cuts
from training.train.documents import Outline, Span, log_uniform

__all__ = [
    "Cut",
    "choose_middle",
    "cut_window",
    "length_between",
    "windows",
]


_SHORTEST = 1 / 50
"""Shortest length, as a share of the longest. With single characters as frequent as
long runs, few tokens of a corpus would be middles."""

_LINE_TRIES = 12
"""Lines drawn to find one that is not blank."""

_NODE_TRIES = 64
"""Nodes drawn to find one of about the wanted length: most are names."""

_Chooser: TypeAlias = Callable[[str, Span, Outline, random.Random, Cuts], Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A window in three parts.

    Attributes:
        prefix: The text before the middle.
        middle: The text that the model has to write; may be empty.
        suffix: The text after the middle.
    """

    prefix: str
    middle: str
    suffix: str


def windows(
    text: str, *, shortest_chars: int, longest_chars: int, rng: random.Random
) -> Iterator[Span]:
    """Yield consecutive windows of whole lines that together are ``text``.

    Lengths are log-uniform. A line longer than its window is a window of its own, and
    a short rest stays with the window before it.
    """
    start = 0
    while start < len(text):
        length = int(log_uniform(shortest_chars, longest_chars, rng))
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
    text: str, window: Span, outline: Outline, rng: random.Random, cuts: Cuts
) -> Cut:
    """Cut a window of ``text`` around a middle, of a kind drawn by ``cuts.shares``."""
    first, last = choose_middle(text, window, outline, rng, cuts)
    return Cut(
        prefix=text[window[0] : first],
        middle=text[first:last],
        suffix=text[last : window[1]],
    )


def choose_middle(
    text: str, window: Span, outline: Outline, rng: random.Random, cuts: Cuts
) -> Span:
    """Choose the middle of one window of ``text``.

    If the window has nothing of the kind drawn, a span of characters is chosen.
    """
    shares: dict[str, float] = asdict(cuts.shares)
    (kind,) = rng.choices(list(shares), weights=list(shares.values()))
    return _CHOOSERS[kind](text, window, outline, rng, cuts)


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
    """Choose a statement or a body, with whole lines if it has lines of its own."""
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
    """Return a span of whole lines, as editors and benchmarks leave them out.

    Half of the spans begin after the indentation. The others begin with their line, and
    half of these include the last line end, so that the suffix is whole lines.

    Args:
        places: Start of the first line, start of its code, end of the last line's code.
        stop: Offset of the line end after that; -1 if the window has none.
        rng: Random generator.
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
    """Choose a span within the window, of about a random length.

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
    wanted = length_between(longest, rng, evenly=cuts.even_lengths)
    return min(fitting, key=lambda s: abs(math.log((s[1] - s[0]) / wanted)))


def _from_cursor(
    text: str, window: Span, outline: Outline, rng: random.Random, _cuts: Cuts
) -> Span:
    """Choose from a cursor to the end of its line, statement or block."""
    start, end = window
    line = _some_line(text, window, rng)
    code = line[0] + _indent(text, line)
    cursor = rng.choice((line[0], code, rng.randint(code, line[1])))
    stop = rng.choice((_line_end, _line_end, _statement_end, _block_end))
    last = min(stop(text, (cursor, line[1]), outline), end)
    if last - cursor > (end - start) // 2:
        last = line[1]
    # Half of whole lines include their line end, so that the suffix is whole lines.
    if cursor == line[0] and text[last:end].startswith("\n"):
        last += rng.randint(0, 1)
    return max(cursor, start), last


def _some_line(text: str, window: Span, rng: random.Random) -> Span:
    """Return a line of the window without its end, one that is not blank if found."""
    start, end = window
    line = (start, start)
    for _ in range(_LINE_TRIES):
        at = rng.randrange(start, end)
        # Take the next line: longer lines would be drawn more often.
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
    """Return the end of the last statement that begins before the line ends."""
    at = bisect_right(outline.statements, (rest[1], 0)) - 1
    found = outline.statements[at][1] if at >= 0 else 0
    return max(found, _line_end(text, rest, outline))


def _block_end(text: str, rest: Span, _outline: Outline) -> int:
    """Return the end of the last following line that is indented at least as far."""
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
    # Blank lines at the end belong to the next block.
    return max(len(text[:last].rstrip()) if last > rest[1] else last, rest[1])


_CHOOSERS: Mapping[str, _Chooser] = MappingProxyType(
    {
        "cursor": _from_cursor,
        "in_line": _in_line,
        "line": _whole_line,
        "block": _whole_block,
        "node": _whole_node,
        "span": _character_span,
    }
)
"""The function for each kind of `training.train.config.Shares`."""


def length_between(longest: int, rng: random.Random, *, evenly: bool) -> int:
    """Draw a length from one to ``longest``.

    If ``evenly``, all lengths are equally likely; else the logarithm is evenly
    distributed, from a fiftieth of the longest on.
    """
    share = 1 - rng.random() if evenly else log_uniform(_SHORTEST, 1, rng)
    return max(int(longest * share), 1)
