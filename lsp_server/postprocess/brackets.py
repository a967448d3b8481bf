"""Brackets outside of strings, and the filter that keeps them from closing twice."""

import re
from collections.abc import Iterator

from lsp_server.context.cursor import TRIPLE_QUOTES, CursorContext
from lsp_server.values import CompletionScope

__all__ = ["CLOSERS", "OPENERS", "brackets", "cut_surplus_closers", "open_brackets"]

OPENERS = "([{"
CLOSERS = ")]}"

_BRACKET_OR_STRING = re.compile(
    r"[()\[\]{}]"
    r"|\"(?:[^\"\n]|(?<=\\)\")*\"?"
    r"|'(?:[^'\n]|(?<=\\)')*'?"
    r"|`(?:[^`\n]|(?<=\\)`)*`?"
)
"""A bracket, or a string up to its end. An expression, because a loop over characters
took milliseconds of every completion in a long class."""

_PYTHON_STATEMENT = re.compile(
    r"\s+(?:assert|break|class|continue|def|del|elif|except|finally|global|import"
    r"|nonlocal|pass|raise|return|try|while|with)\b"
)
"""An indented line that begins with a word which no expression contains."""


def brackets(text: str) -> Iterator[tuple[int, str]]:
    """Yield the offset and the character of each bracket outside of a string.

    A string ends at its line's end at the latest, so one apostrophe in a comment does
    not hide the rest of the file. A quote behind a backslash does not end a string.
    """
    for found in _BRACKET_OR_STRING.finditer(text):
        char = found[0]
        if char in OPENERS or char in CLOSERS:
            yield found.start(), char


def open_brackets(text: str) -> int:
    """Return how many brackets ``text`` leaves open; surplus closers do not count."""
    depth = 0
    for _, char in brackets(text):
        depth = depth + 1 if char in OPENERS else max(0, depth - 1)
    return depth


def cut_surplus_closers(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Cut ``text`` before the first bracket that closes one that needs no closing.

    ``text`` may close as many brackets as are open at the cursor, less those that the
    code behind the cursor closes.
    """
    if not any(char in text for char in CLOSERS):
        return text
    statement = _statement_before(cursor)
    depth = 0
    min_depth: int | None = None
    # One pass over both: a long class costs a tenth of a millisecond each time.
    for at, char in brackets(statement + text):
        if at < len(statement):
            depth = depth + 1 if char in OPENERS else max(0, depth - 1)
            continue
        if min_depth is None:
            min_depth = min(depth, _closed_behind(cursor))
        depth += 1 if char in OPENERS else -1
        if depth < min_depth:
            return text[: at - len(statement)]
    return text


def _statement_before(cursor: CursorContext) -> str:
    """Return the text before the cursor from the start of its statement on.

    A statement starts at a line without indentation. In Python it also starts at an
    indented line with a statement's keyword; otherwise all of a long class would be
    searched for brackets.
    """
    trusts_keywords = cursor.language_id == "python"
    lines = [cursor.line_before]
    for line in cursor.lines_above:
        last = lines[-1]
        starts_in_file = last and not last[0].isspace() and last[0] not in CLOSERS
        if starts_in_file or (trusts_keywords and _PYTHON_STATEMENT.match(last)):
            break
        # Above the end of a long string, a keyword may be a word of its text.
        trusts_keywords = trusts_keywords and not any(
            quotes in last for quotes in TRIPLE_QUOTES
        )
        lines.append(line)
    return "\n".join(reversed(lines))


def _closed_behind(cursor: CursorContext) -> int:
    """Return how many brackets the code behind the cursor closes without opening them.

    The lines below count while a bracket is open, or while they begin with a closer.
    """
    depth = closed = 0
    lines = (cursor.line_before + cursor.line_after, *cursor.lines_below)
    for number, line in enumerate(lines):
        begins = line.lstrip()[:1]
        if number and not depth and begins and begins not in CLOSERS:
            break
        behind = 0 if number else len(cursor.line_before)
        for at, char in brackets(line):
            if at < behind:
                continue
            if char in OPENERS:
                depth += 1
            elif depth:
                depth -= 1
            else:
                closed += 1
    return closed
