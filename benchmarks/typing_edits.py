"""The differences of two versions of a text, as somebody would type them."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Replacement", "applied", "is_word", "replacements"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """One difference: what stands between two offsets of the old text, and in the new.

    Attributes:
        start: Its start in the old text, in code points.
        end: Its end in the old text.
        text: What stands there in the new text.
    """

    start: int
    end: int
    text: str


def replacements(old: str, new: str) -> list[Replacement]:
    """Return the differences of two texts, in order, none touching another's text.

    They run from word to word: of a line that was changed, only what differs is typed.
    Whole lines that were added are typed behind the end of the line above.
    """
    before, after = (text.splitlines(keepends=True) for text in (old, new))
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    found: list[Replacement] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, low, high, new_low, new_high in matcher.get_opcodes():
        if tag == "equal":
            continue
        pairs = [(low, high, "".join(after[new_low:new_high]))]
        if high - low == new_high - new_low:
            # The same number of lines: each is taken for a changed line.
            lines = zip(range(low, high), after[new_low:new_high], strict=True)
            pairs = [(number, number + 1, line) for number, line in lines]
        found += [
            _narrowed(old, starts[first], starts[last], text)
            for first, last, text in pairs
        ]
    return [each for each in found if each.text != old[each.start : each.end]]


def _narrowed(old: str, start: int, end: int, text: str) -> Replacement:
    """Return a difference without what both texts have in common at either end."""
    if start == end and start > 0 and text.endswith("\n") and old[start - 1] == "\n":
        return Replacement(start=start - 1, end=start - 1, text="\n" + text[:-1])
    was = old[start:end]
    most = min(len(was), len(text))
    left = next((at for at in range(most) if was[at] != text[at]), most)
    while left and _is_inside_word(was, text, left):
        left -= 1
    most -= left
    right = next((at for at in range(most) if was[-1 - at] != text[-1 - at]), most)
    while right and _is_inside_word(was[::-1], text[::-1], right):
        right -= 1
    return Replacement(
        start=start + left, end=end - right, text=text[left : len(text) - right]
    )


def _is_inside_word(one: str, other: str, at: int) -> bool:
    """Return whether a cut there would go through a word of either text."""
    return any(
        at < len(text) and is_word(text[at - 1]) and is_word(text[at])
        for text in (one, other)
    )


def is_word(char: str) -> bool:
    """Return whether a character is part of a word."""
    return char.isalnum() or char == "_"


def applied(text: str, changes: Sequence[Replacement]) -> str:
    """Return a text after differences, which are in order."""
    parts, at = [], 0
    for each in changes:
        parts += [text[at : each.start], each.text]
        at = each.end
    return "".join([*parts, text[at:]])
