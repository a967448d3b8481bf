"""Keeps brackets from being closed twice."""

import re

from lsp_server.postprocess.brackets import CLOSERS, OPENERS, brackets
from lsp_server.postprocess.surroundings import (
    TRIPLE_QUOTES,
    following_lines,
    preceding_lines,
)
from lsp_server.values import CompletionScope, Snapshot

__all__ = ["cut_surplus_closers"]

#: Words of Python that stand in no expression.
_PYTHON_STATEMENT = re.compile(
    r"\s+(?:assert|break|class|continue|def|del|elif|except|finally|global|import"
    r"|nonlocal|pass|raise|return|try|while|with)\b"
)


def cut_surplus_closers(
    text: str, near: Snapshot, scope: CompletionScope
) -> str | None:
    """Cut ``text`` before the first bracket that closes what is or will be closed.

    As many brackets may be closed as stand open at the cursor, less those that the
    text behind the cursor closes.
    """
    del scope  # a surplus bracket is one in either
    if not any(char in text for char in CLOSERS):
        return text
    statement = _statement_before(near)
    depth, least = 0, None
    # In one run over both: of a long class, each costs a tenth of a millisecond.
    for at, char in brackets(statement + text):
        if at < len(statement):
            depth = depth + 1 if char in OPENERS else max(0, depth - 1)
            continue
        if least is None:
            least = min(depth, _closed_behind(near))
        depth += 1 if char in OPENERS else -1
        if depth < least:
            return text[: at - len(statement)]
    return text


def _statement_before(near: Snapshot) -> str:
    """Give the text before the cursor from the last line that begins a statement.

    Nothing is open before it. In Python that can be an indented line too; without
    those, all of a long class would be searched for brackets.
    """
    trusts_words = near.language_id == "python"
    lines = [near.line_before]
    for line in preceding_lines(near):
        last = lines[-1]
        if _begins_in_file(last) or (trusts_words and _PYTHON_STATEMENT.match(last)):
            break
        # Lines above the end of a long string may be its text.
        trusts_words = trusts_words and not any(each in last for each in TRIPLE_QUOTES)
        lines.append(line)
    return "\n".join(reversed(lines))


def _begins_in_file(line: str) -> bool:
    """Tell whether a line is not indented, and so begins a statement of the file."""
    return bool(line) and not line[0].isspace() and line[0] not in CLOSERS


def _closed_behind(near: Snapshot) -> int:
    """Count the brackets that the text behind the cursor closes and did not open.

    It goes on to the lines below while something is open or a bracket is closed first.
    """
    depth = closed = 0
    lines = (near.line_before + near.line_after, *following_lines(near))
    for number, line in enumerate(lines):
        begins = line.lstrip()[:1]
        if number and not depth and begins and begins not in CLOSERS:
            break
        behind = 0 if number else len(near.line_before)
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
