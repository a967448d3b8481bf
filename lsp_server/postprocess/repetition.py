"""Filters that drop repetitive text, and where such text begins to repeat itself."""

import re
from collections.abc import Sequence
from itertools import product

from lsp_server.context.cursor import CursorContext
from lsp_server.values import CompletionScope

__all__ = ["drop_endless_run", "drop_repetition", "loop_from", "repeated_from"]

_MAX_LOOP_LINES = 4
_LINE_LOOP_REPEATS = 3
"""A sequence of lines that comes this often in a row is a loop."""

_ENDLESS_LOOP_REPEATS = 6
"""The same in a table, whose rows may well be alike."""

_MIN_LOOP_CHARS = 3
_LONG_LOOP_CHARS = 10
_SHORT_LOOP_REPEATS = 6
_LONG_LOOP_REPEATS = 4
"""How often a unit of characters must come at the end of a text to be a loop.

Source: the thresholds of TabbyML/tabby's repetition filter.
"""

_MIN_PHRASE_CHARS = 6
_PHRASE_REPEATS = 3
_BROKEN_PHRASE_REPEATS = 2.25
"""The same for a phrase: a unit with a word in it that is no item of a list or table.
In a generation that was broken off, a long one comes less often.
"""

_WORD = re.compile(r"(?<!\w)[^\W\d]")
_SEPARATOR = re.compile(r"[,|\n]|</")
_ENTITIES = re.compile(r"(?:\w*;?\s*&\w*;?)+")
_END_CHARS = " \t\n,;.:)]}\"'`"
"""What may stand behind the last round of a phrase, and between two rounds."""

_MIN_LINE_CHARS = 8
"""A shorter line may well stand twice in a row."""

_MIN_JUDGED_LINES = 6
"""From this many lines on, more than half of them must be different."""

_MIN_RUN_CHARS = 20
"""A run of one character of this length is endless if the generation was broken off in
it. If the model ended it, it is a separator line."""


def drop_repetition(
    text: str, cursor: CursorContext, scope: CompletionScope
) -> str | None:
    """Drop a text that ends in a loop, or a line that repeats the one above.

    Of a loop of whole lines the first round is kept.
    """
    for head, end in product(("", cursor.line_before), ("\n", "\n\n")):
        lines = f"{head}{text.rstrip()}{end}".splitlines(keepends=True)
        kept = _first_round(lines)
        if kept is not None:
            text = "".join(lines[:kept])[len(head) :].rstrip()
    if _ends_in_loop(text) or _ends_in_loop(text.rstrip()):
        return None
    if _repeats_phrase(text, _MIN_PHRASE_CHARS, _PHRASE_REPEATS):
        return None
    if scope is CompletionScope.LINE and _is_line_above(text, cursor):
        return None
    return text


def drop_endless_run(
    text: str, _cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Drop a text that was broken off in a long run of one character or phrase."""
    if text.endswith(text[-1:] * _MIN_RUN_CHARS) and not text[-1:].isspace():
        return None
    is_loop = _repeats_phrase(text, _LONG_LOOP_CHARS, _BROKEN_PHRASE_REPEATS)
    return None if is_loop else text


def repeated_from(text: str) -> int | None:
    """Return the offset at which ``text`` begins to repeat itself, or None.

    That is the second round of a loop of lines, or the first repeated line where half
    of the lines or more are repeats. Only lines with their line end count. More text
    behind does not change the answer.
    """
    lines = _whole_lines(text)
    for count in range(1, len(lines) + 1):
        kept = _lines_before_loop(lines[:count])
        if kept is None:
            kept = _lines_before_repeats(lines[:count])
        if kept is not None:
            return sum(map(len, lines[:kept]))
    return None


def loop_from(text: str) -> int | None:
    """Return the offset of the second round of a loop without end, or None.

    Only lines with their line end count. More text behind does not change the answer.
    """
    lines = _whole_lines(text)
    for count in range(_ENDLESS_LOOP_REPEATS, len(lines) + 1):
        kept = _lines_before_loop(lines[:count], _ENDLESS_LOOP_REPEATS)
        if kept is not None:
            return sum(map(len, lines[:kept]))
    return None


def _whole_lines(text: str) -> list[str]:
    """Return the lines of ``text`` that have their line end."""
    lines = text.splitlines(keepends=True)
    return lines if text.endswith("\n") else lines[:-1]


def _lines_before_loop(
    lines: Sequence[str], repeats: int = _LINE_LOOP_REPEATS
) -> int | None:
    """Return how many lines stand before the second round of a loop at the end.

    Blank lines alone are no loop.
    """
    for length in range(1, _MAX_LOOP_LINES + 1):
        tail = lines[-length * repeats :]
        unit = tail[:length]
        if "".join(unit).strip() and tail == [*unit] * repeats:
            return len(lines) - length * (repeats - 1)
    return None


def _first_round(lines: Sequence[str]) -> int | None:
    """Return how many lines stand up to the first round of a loop at the end."""
    second = _lines_before_loop(lines)
    if second is None:
        return None
    length = (len(lines) - second) // (_LINE_LOOP_REPEATS - 1)
    while lines[second - length : second] == lines[second : second + length]:
        second -= length
    return second + length


def _lines_before_repeats(lines: Sequence[str]) -> int | None:
    """Return how many lines stand before the first repeat, if half or more repeat.

    A chain of conditions with the same outcome is kept by this: more than half of its
    lines differ.
    """
    code = [line for line in lines if line.strip()]
    if len(code) < _MIN_JUDGED_LINES or len(set(code)) * 2 > len(code):
        return None
    return next(
        at for at, line in enumerate(lines) if line.strip() and line in lines[:at]
    )


def _ends_in_loop(text: str) -> bool:
    """Return whether ``text`` ends in many repeats of one unit of characters."""
    for length in range(_MIN_LOOP_CHARS, len(text) // _LONG_LOOP_REPEATS + 1):
        unit = text[-length:]
        if len(set(unit)) == 1:
            continue  # a separator line or a run of blanks
        is_long = length >= _LONG_LOOP_CHARS
        repeats = _LONG_LOOP_REPEATS if is_long else _SHORT_LOOP_REPEATS
        if text.endswith(unit * repeats):
            return True
    return False


def _repeats_phrase(text: str, least_chars: int, repeats: float) -> bool:
    """Return whether ``text`` ends in so many rounds of one phrase of this length."""
    text = text.rstrip(_END_CHARS)
    for length in range(least_chars, len(text) // 2 + 1):
        unit = text[-length:]
        # What stands between two rounds is missing before the first one.
        between = length - len(unit.strip(_END_CHARS))
        needed = int(length * repeats) - between
        rounds = text[-needed:]
        if len(rounds) < needed:
            continue
        if rounds[:-length] == rounds[length:] and _is_phrase(unit):
            return True
    return False


def _is_phrase(unit: str) -> bool:
    """Return whether a unit, which may begin in the middle of a word, is a phrase."""
    if _SEPARATOR.search(unit + unit[:1]) or _ENTITIES.fullmatch(unit):
        return False
    return _WORD.search(unit + unit, 1) is not None


def _is_line_above(text: str, cursor: CursorContext) -> bool:
    """Return whether the completed line would be the same as the one above."""
    line = (cursor.line_before + text).strip()
    return len(line) >= _MIN_LINE_CHARS and line == cursor.code_above.strip()
