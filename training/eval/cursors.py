"""Finds gaps in a Python file: places for a cursor, with the author's text removed.

- mid-line: the rest of a line is missing, from somewhere within its code
- line end: a line is missing except for its indentation, as after Enter
- empty body: the body of a function, loop or condition is missing; its docstring and
  indentation are there
- call arguments: arguments of a call are missing up to the closing parenthesis, which
  an editor inserts
"""

import ast
import enum
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Gap", "Kind", "draw_gap", "parse_or_none"]

_MIN_LINE_CHARS = 12
"""Shorter lines have too little text after a cursor."""

_MAX_MISSING_CHARS = 160
_TRIPLE_QUOTES = ('"""', "'''")
_MAX_BODY_LINES = 12
_MAX_BODY_CHARS = 400
"""About the length of a server's longest completions."""


class Kind(enum.Enum):
    """Kinds of gaps, as described above."""

    MID_LINE = "mid-line"
    LINE_END = "line end"
    EMPTY_BODY = "empty body"
    CALL_ARGUMENTS = "call arguments"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A missing part of a text, as offsets in code points.

    Attributes:
        start: Start of the missing text, and the cursor.
        end: End of the missing text.
    """

    start: int
    end: int


def parse_or_none(text: str) -> ast.Module | None:
    """Parse a file; return None if it is not Python of the running version."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def draw_gap(text: str, tree: ast.Module, kind: Kind, rng: random.Random) -> Gap | None:
    r"""Draw one gap of this kind uniformly; return None if there is none.

    Args:
        text: The file, with ``\n`` line ends.
        tree: The file, parsed.
        kind: The kind of gap.
        rng: The source of randomness.
    """
    finders: Mapping[Kind, Callable[[_File, random.Random], Iterator[Gap]]] = {
        Kind.MID_LINE: _mid_lines,
        Kind.LINE_END: _line_ends,
        Kind.EMPTY_BODY: _empty_bodies,
        Kind.CALL_ARGUMENTS: _call_arguments,
    }
    found = list(finders[kind](_File(text, tree), rng))
    return rng.choice(found) if found else None


class _File:
    """A file with its lines and syntax tree; positions are in code points."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.tree = tree
        # As the syntax tree counts lines; `splitlines` splits at more characters.
        self.lines = text.split("\n")
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def start_of(self, number: int) -> int:
        """Return the offset of a line's start; lines count from 1."""
        return self._starts[number - 1]

    def offset_of(self, number: int, column_bytes: int) -> int:
        """Return the offset of a line and column; the tree counts columns in bytes."""
        line = self.lines[number - 1]
        head = line.encode("utf-8", "surrogatepass")[:column_bytes]
        return self.start_of(number) + len(head.decode("utf-8", "surrogatepass"))

    def statements(self) -> Iterator[ast.stmt]:
        """Yield every statement except docstrings."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt) and not _is_text(node):
                yield node


def _mid_lines(file: _File, rng: random.Random) -> Iterator[Gap]:
    """Yield one gap for each long enough first line of a statement."""
    for number in sorted({node.lineno for node in file.statements()}):
        line = file.lines[number - 1]
        code = line.strip()
        is_code = not any(quotes in code for quotes in _TRIPLE_QUOTES)
        if is_code and _MIN_LINE_CHARS <= len(code) <= _MAX_MISSING_CHARS:
            indentation = len(line) - len(line.lstrip())
            last = len(line.rstrip()) - 1
            start = file.start_of(number)
            # At least one character is on either side.
            yield Gap(
                start=start + rng.randint(indentation + 1, last), end=start + len(line)
            )


def _line_ends(file: _File, _rng: random.Random) -> Iterator[Gap]:
    """Yield one gap for each one-line statement that does not begin a body."""
    for node in file.statements():
        line = file.lines[node.lineno - 1]
        above = file.lines[node.lineno - 2] if node.lineno > 1 else ""
        is_one_line = node.end_lineno == node.lineno
        follows_code = above.strip() and not above.rstrip().endswith(":")
        is_whole = len(line) - len(line.lstrip()) == node.col_offset
        is_fitting = len(line.strip()) <= _MAX_MISSING_CHARS
        if is_one_line and follows_code and is_whole and is_fitting:
            start = file.start_of(node.lineno)
            yield Gap(start=start + node.col_offset, end=start + len(line))


def _empty_bodies(file: _File, _rng: random.Random) -> Iterator[Gap]:
    """Yield one gap for each short body that begins on a line of its own."""
    for node in ast.walk(file.tree):
        if not isinstance(
            node,
            ast.FunctionDef | ast.AsyncFunctionDef | ast.For | ast.While | ast.If,
        ):
            continue
        body = node.body[1:] if _is_text(node.body[0]) else node.body
        if not body:
            continue
        first, last = body[0], body[-1].end_lineno or body[-1].lineno
        head = file.lines[first.lineno - 1]
        gap = Gap(
            start=file.offset_of(first.lineno, first.col_offset),
            end=file.start_of(last) + len(file.lines[last - 1]),
        )
        is_whole = not head[: gap.start - file.start_of(first.lineno)].strip()
        lines, chars = last - first.lineno + 1, gap.end - gap.start
        is_short = lines <= _MAX_BODY_LINES and chars <= _MAX_BODY_CHARS
        # The tree's first line of a decorated statement is below its decorators.
        is_decorated = bool(getattr(first, "decorator_list", ()))
        if is_whole and is_short and not is_decorated:
            yield gap


def _call_arguments(file: _File, _rng: random.Random) -> Iterator[Gap]:
    """Yield a gap for each argument of a call, from there to the parenthesis."""
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Call) or node.end_lineno is None:
            continue
        close = file.offset_of(node.end_lineno, node.end_col_offset or 0) - 1
        places: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        for argument in places:
            start = file.offset_of(argument.lineno, argument.col_offset)
            missing = file.text[start:close]
            is_one_line = argument.lineno == node.end_lineno
            is_short = len(missing) <= _MAX_MISSING_CHARS
            # The tree omits parentheses around an argument, and before Python 3.12 its
            # positions within f-strings are wrong.
            if is_one_line and is_short and _are_arguments(missing):
                yield Gap(start=start, end=close)


def _are_arguments(text: str) -> bool:
    """Return whether ``text`` can be the arguments of a call."""
    call = parse_or_none(f"f({text})")
    match call.body if call else []:
        case [ast.Expr(value=ast.Call(func=ast.Name(id="f")))]:
            return bool(text.strip())
        case _:
            return False


def _is_text(node: ast.stmt) -> bool:
    """Return whether a statement is only a string, such as a docstring."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case _:
            return False
