r"""Where a completion ends: with its line, or with its block.

The same rule ends the generation while tokens still come and cuts the finished text,
so neither can keep what the other would not. All texts here have ``\n`` line ends.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsp_server.postprocess.brackets import open_brackets
from lsp_server.postprocess.repetition import repeated_from
from lsp_server.postprocess.surroundings import (
    TRIPLE_QUOTES,
    following_lines,
    indentation,
    preceding_lines,
    uses_braces,
)
from lsp_server.values import CompletionScope, Snapshot

__all__ = ["end_with_scope", "scope_end"]

_CLOSING_BRACE = re.compile(r"[ \t]*\}[)\]}]*[;,]?")
_LAST_STATEMENT = re.compile(r"(break|continue|pass|raise|return)\b")
_LEAST_TELLING_CHARS = 3
"""Shorter lines may well stand twice in a row."""

_BLANK_LINES_THAT_END = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One line that the completion makes or makes longer.

    Attributes:
        start: Where the completion's part of it begins, in the completion.
        end: Where that part ends, before the line end.
        text: The line as it would stand in the document.
        is_whole: Whether its line end was written too.
    """

    start: int
    end: int
    text: str
    is_whole: bool


def end_with_scope(text: str, near: Snapshot, scope: CompletionScope) -> str | None:
    """Cut what was written beyond the line or the block."""
    return text[: scope_end(text, near, scope)]


def scope_end(text: str, near: Snapshot, scope: CompletionScope) -> int | None:
    """Give where in ``text`` the scope ends; None while that is still open."""
    line_end = text.find("\n")
    # Asked at every token, so the commonest answer comes first.
    if scope is CompletionScope.LINE or _is_inline_body(text, near):
        return None if line_end < 0 else line_end
    end = _block_end(text, near)
    if not near.line_before.strip():
        repeated = repeated_from(near.line_before + text[:end])
        if repeated is not None:
            return repeated - len(near.line_before)
    return end


def _is_inline_body(text: str, near: Snapshot) -> bool:
    first_line, _, _ = text.partition("\n")
    return bool(near.line_before.strip() and first_line.strip())


def _block_end(text: str, near: Snapshot) -> int | None:
    """Give the first place at which ``text`` leaves the block of the cursor."""
    least = _least_indentation(near)
    is_fixed = bool(near.line_before) and not near.line_before.strip()
    follows = next((each for each in following_lines(near) if each.strip()), "")
    blank_lines = 0
    for line in _body_lines(text, near):
        if not line.text.strip():
            blank_lines += line.is_whole
            if blank_lines == _BLANK_LINES_THAT_END and line.start > 0:
                return line.start
            continue
        blank_lines = 0
        if indentation(line.text) < least:
            return _end_at_dedent(line, follows, near)
        if not is_fixed:
            # The first line that the model wrote says how far its body is indented.
            least, is_fixed = indentation(line.text), True
        if line.is_whole and _says_again(line.text, follows):
            return line.start
        if line.is_whole and _leaves_block(line.text, least, near):
            return line.end
    return None


def _least_indentation(near: Snapshot) -> int:
    """Give the least columns that a line of the cursor's block is indented by."""
    here = near.line_before
    if here and not here.strip():
        return indentation(here)
    if here:
        return indentation(here) + 1
    above = next((each for each in preceding_lines(near) if each.strip()), "")
    opens = above.rstrip().endswith((":", "{"))
    return indentation(above) + 1 if opens else indentation(above)


def _body_lines(text: str, near: Snapshot) -> Iterator[_Line]:
    """Give the lines of the block, less those that begin within a long string."""
    start = 0
    head = near.line_before
    in_string = False
    for piece in text.split("\n"):
        end = start + len(piece)
        is_whole = end < len(text)
        line = _Line(start=start, end=end, text=head + piece, is_whole=is_whole)
        if not in_string and not (head and head.strip()):
            yield line
        in_string ^= sum(map(piece.count, TRIPLE_QUOTES)) % 2 == 1
        head = ""
        start = end + 1


def _end_at_dedent(line: _Line, follows: str, near: Snapshot) -> int | None:
    """Give the end of a block before ``line``, or behind the brace that closes it."""
    brace = _CLOSING_BRACE.match(line.text)
    if brace is None or not uses_braces(near) or line.start == 0:
        return line.start
    if follows.lstrip().startswith("}"):
        return line.start
    return line.start + brace.end() if line.is_whole else None


def _leaves_block(line: str, least: int, near: Snapshot) -> bool:
    """Tell whether nothing can follow ``line`` in its block."""
    if uses_braces(near) or indentation(line) != least:
        return False
    goes_on = open_brackets(line) or line.rstrip().endswith("\\")
    return not goes_on and bool(_LAST_STATEMENT.match(line.lstrip()))


def _says_again(line: str, follows: str) -> bool:
    """Tell whether ``line`` already stands below the cursor."""
    telling = len(line.strip()) >= _LEAST_TELLING_CHARS
    return telling and line.rstrip() == follows.rstrip()
