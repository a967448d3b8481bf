"""Where a document's syntax nodes begin and end, in characters."""

import ast
import re
import warnings
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

__all__ = ["Outline", "Span", "read_outline"]

Span: TypeAlias = tuple[int, int]

# The line ends that Python's own tokenizer counts; `splitlines` knows more.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The nodes of one document; there are none where it does not parse.

    Attributes:
        nodes: Every node that has a place, as (first character, one past the last).
        statements: Those of them that are statements without statements inside.
        blocks: Every statement, and every body from its first statement to its last.
    """

    nodes: tuple[Span, ...]
    statements: tuple[Span, ...]
    blocks: tuple[Span, ...]


def read_outline(text: str) -> Outline:
    """Find the nodes of ``text``; what does not parse has none."""
    try:
        # Warnings about the corpus' own code are nobody's business here.
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text)
    # ValueError: a null character. The others: too deep for the parser.
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Outline(nodes=(), statements=(), blocks=())
    places = _Places(text)
    nodes, statements, blocks = set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr | ast.arg | ast.ExceptHandler):
            span = places.span(node)
            nodes.add(span)
            if isinstance(node, ast.stmt):
                blocks.add(span)
                if not hasattr(node, "body"):
                    statements.add(span)
                body = getattr(node, "body", [])
                if len(body) > 1:
                    blocks.add((places.span(body[0])[0], places.span(body[-1])[1]))
    return Outline(
        nodes=tuple(sorted(nodes)),
        statements=tuple(sorted(statements)),
        blocks=tuple(sorted(blocks)),
    )


class _Places:
    """Turns lines and UTF-8 columns into characters."""

    def __init__(self, text: str) -> None:
        self._lines = _LINE.findall(text)
        self._starts = [0, *accumulate(map(len, self._lines))]

    def span(self, node: ast.stmt | ast.expr | ast.arg | ast.ExceptHandler) -> Span:
        """Give the place of a node."""
        first = self._at(node.lineno, node.col_offset)
        if node.end_lineno is None or node.end_col_offset is None:
            return first, first
        return first, self._at(node.end_lineno, node.end_col_offset)

    def _at(self, line_number: int, column_bytes: int) -> int:
        line = self._lines[line_number - 1]
        if not line.isascii():
            before = line.encode()[:column_bytes]
            column_bytes = len(before.decode(errors="ignore"))
        return int(self._starts[line_number - 1]) + column_bytes
