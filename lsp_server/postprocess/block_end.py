"""Finds where a block ends that a completion writes, by the language's rules."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.language.frames import Frame, Scan, literal_of
from lsp_server.language.grammar import Kind
from lsp_server.language.scan import scan
from lsp_server.outcomes import StopCause

__all__ = ["End", "block_end", "frames_of_text", "opens_block"]

_PYTHON_HEAD = re.compile(
    r"(async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b"
)
_DEFINITION = re.compile(
    r"(?:(?:async|default|export|final|local|private|protected|pub|public|static)\s+)*"
    r"(?:class|def|enum|fn|func|function|impl|interface|module|namespace|struct|trait"
    r"|type)\b"
)
_LAST_STATEMENT = re.compile(r"(break|continue|pass|raise|return|throw)\b")
_BEHIND_CLOSER = re.compile(r"[)\]}]*[;,]?")
_LIST_ITEM = re.compile(r"[ \t]*-(?: |$)")

_LEAST_LINE_CHARS = 3
"""A shorter line may well stand twice in a row."""

_LEAST_MOVED_LINE_CHARS = 8
"""The same for a line that is indented in another way than the one in the suffix."""

_BLANK_LINES_THAT_END = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where a completion ends, as an offset in its text, and why."""

    offset: int
    cause: StopCause


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of the document that the completion makes or extends.

    Attributes:
        start: Where the completion's part of the line begins, in the completion.
        end: Where that part ends, before the line end.
        text: The line as it would stand in the document.
        is_whole: Whether its line end was generated too.
        is_nested: Whether it begins in a bracket or block that the completion opened.
    """

    start: int
    end: int
    text: str
    is_whole: bool
    is_nested: bool

    @property
    def columns(self) -> int:
        """The indentation."""
        return indentation_of(self.text)


def opens_block(line: str, cursor: CursorContext) -> bool:
    """Return whether a line is, or ends, the head of a block."""
    if not cursor.opens_block(line):
        return False
    if cursor.language.name != "python":
        return True
    # A signature over several lines ends in `) -> int:` on a line of its own.
    bare = line.lstrip()
    return bool(_PYTHON_HEAD.match(bare)) or bare.startswith((")", "]", "}"))


def frames_of_text(found: Scan, offset: int) -> tuple[Frame, ...]:
    """Return what is open at ``offset`` that the completion itself has opened."""
    return tuple(each for each in found.frames_at(offset) if each.start >= 0)


def block_end(
    text: str,
    cursor: CursorContext,
    found: Scan,
    *,
    min_columns: int,
    is_fixed: bool,
    first: int = 0,
) -> End | None:
    """Return the first place at which ``text`` leaves a block; None while it does not.

    Args:
        text: The completion.
        cursor: Where it stands.
        found: The scan of ``text`` at the cursor.
        min_columns: The least indentation of the block's lines, in columns.
        is_fixed: Whether that is the block's indentation. Otherwise its first line
            sets it.
        first: Where the first of its lines begins in ``text``.
    """
    blank_lines = 0
    has_code = False
    lines = _body_lines(text, cursor, found)
    for line in itertools.dropwhile(lambda each: each.start < first, lines):
        if not line.text.strip():
            blank_lines += line.is_whole
            if blank_lines == _BLANK_LINES_THAT_END and line.start > 0:
                return End(offset=line.start, cause=StopCause.BLANK_LINES)
            continue
        blank_lines = 0
        if line.is_whole and _is_in_suffix(line, cursor):
            return End(offset=line.start, cause=StopCause.SUFFIX)
        if line.is_nested:
            continue
        is_item = _is_yaml_item(line, min_columns, cursor)
        if line.columns < min_columns and not is_item:
            return _end_at_dedent(line, text, cursor, found)
        if not is_fixed:
            min_columns, is_fixed = min_columns if is_item else line.columns, True
        if has_code and not line.columns and _DEFINITION.match(line.text):
            return End(offset=line.start, cause=StopCause.DEFINITION)
        if _is_last(line, min_columns, cursor, found):
            return End(offset=line.end, cause=StopCause.BLOCK)
        has_code = True
    return None


def _without_comment(line: str, cursor: CursorContext) -> str:
    """Return a line up to its comment."""
    state = scan(line, cursor.language).state
    literal = literal_of(state.frames)
    if literal is None or literal.kind is not Kind.COMMENT:
        return line
    return line[: literal.start]


def _body_lines(text: str, cursor: CursorContext, found: Scan) -> Iterator[_Line]:
    """Yield the lines of the block, except those that begin inside of a literal."""
    start = 0
    head = cursor.line_before
    for part in text.split("\n"):
        end = start + len(part)
        is_in_literal = bool(start) and found.literal_at(start) is not None
        if not head.strip() and not is_in_literal:
            yield _Line(
                start=start,
                end=end,
                text=head + part,
                is_whole=end < len(text),
                is_nested=bool(start and frames_of_text(found, start)),
            )
        head = ""
        start = end + 1


def _end_at_dedent(
    line: _Line, text: str, cursor: CursorContext, found: Scan
) -> End | None:
    """Return the end of a block that ``line`` leaves: before it, or behind its closer.

    None while more of ``line`` has to come before that is decided.
    """
    before = End(offset=line.start, cause=StopCause.BLOCK)
    closing = next(
        (each for each in found.closings if line.start <= each.offset < line.end), None
    )
    if closing is None and (line.start == 0 or not _may_close(line, cursor, found)):
        return before
    if closing is None:
        return None
    if text[line.start : closing.offset].strip():
        return before
    if closing.frame in cursor.closed_behind:
        return End(offset=line.start, cause=StopCause.CLOSER)
    behind = closing.offset + len(closing.frame.closer)
    rest = _BEHIND_CLOSER.match(text, behind, line.end)
    end = rest.end() if rest else behind
    return End(offset=end, cause=StopCause.BLOCK) if line.is_whole else None


def _may_close(line: _Line, cursor: CursorContext, found: Scan) -> bool:
    """Return whether the line may become the word that closes the block."""
    frames = found.frames_at(line.start)
    if line.is_whole or not frames or frames[-1] in cursor.closed_behind:
        return False
    return frames[-1].closer.startswith(line.text.strip())


def _is_yaml_item(line: _Line, min_columns: int, cursor: CursorContext) -> bool:
    """Return whether a list's item stands as far left as its key, as YAML allows."""
    is_yaml = cursor.language.name == "yaml"
    return (
        is_yaml
        and line.columns + 1 == min_columns
        and bool(_LIST_ITEM.match(line.text))
    )


def _is_last(line: _Line, columns: int, cursor: CursorContext, found: Scan) -> bool:
    """Return whether nothing can follow ``line`` in a block of this indentation."""
    if not line.is_whole or line.columns != columns:
        return False
    if not _LAST_STATEMENT.match(line.text.lstrip()) or frames_of_text(found, line.end):
        return False
    code = _without_comment(line.text, cursor).rstrip()
    if code.endswith("\\"):
        return False
    if cursor.language.indents_blocks:
        return True
    frame = cursor.frames[-1] if cursor.frames else None
    return code.endswith(";") and frame is not None and frame in cursor.closed_behind


def _is_in_suffix(line: _Line, cursor: CursorContext) -> bool:
    """Return whether the line is the next one below the cursor.

    One that is indented deeper than that is another one, in a block within this.
    """
    written, below = line.text.rstrip(), cursor.code_below.rstrip()
    if written == below:
        return len(written.strip()) >= _LEAST_LINE_CHARS
    is_long = len(written.strip()) >= _LEAST_MOVED_LINE_CHARS
    is_deeper = line.columns > indentation_of(below)
    return is_long and not is_deeper and written.strip() == below.strip()
