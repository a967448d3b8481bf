"""Whether to complete at a cursor, and how far the completion may run.

An editor asks after every key. Some places get nothing, above all the middle of a word,
unless the user asks by hand. An empty body gets a block, most other places the rest of
their line and the block that it opens.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from lsp_server.config import CompletionConfig
from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.outcomes import Reason
from lsp_server.postprocess.block_end import opens_block
from lsp_server.service import reasons
from lsp_server.text import is_word_char
from lsp_server.values import CompletionScope, Snapshot, Trigger

__all__ = ["UNWELCOME", "choose_scope", "why_unsuitable", "why_unwelcome"]

UNWELCOME = (reasons.INSIDE_WORD, reasons.EMPTY_DOCUMENT, reasons.STATEMENT_ENDED)
"""What `why_unwelcome` may return."""

_DOCSTRING_QUOTES = ('"""', "'''")
_HEAD_WORD = re.compile(
    r"(async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b"
)

_JUDGED_LINES = 40
"""How many lines above tell whether bodies are indented."""

_LEVEL_HEAD = re.compile(r"(?:inline\s+)?(?:namespace|extern)\b|\.[A-Z]+\s*:")
"""A head below which lines stand as far left: a namespace, a special target of make."""

_NO_BODY = re.compile(
    r"\s*(?:[)\]}#]|</|- |-$|//|/\*|--|end\b|else\b|esac\b|fi\b|done\b)"
)
"""The beginning of a line that closes a block, is a comment, or a list of YAML."""


def why_unsuitable(snapshot: Snapshot, config: CompletionConfig) -> Reason | None:
    """Return why there are no completions in a document; None where there are.

    It reads all of the text once, for a zero byte.
    """
    if not config.enabled:
        return reasons.DISABLED
    if snapshot.language_id in config.disabled_languages.split():
        return reasons.LANGUAGE_OFF
    if len(snapshot.text) > config.max_document_chars:
        return reasons.TOO_LARGE
    if len(snapshot.line_before) + len(snapshot.line_after) > config.max_line_chars:
        return reasons.LINE_TOO_LONG
    if "\0" in snapshot.text:
        return reasons.BINARY
    return None


def why_unwelcome(cursor: CursorContext, trigger: Trigger) -> Reason | None:
    """Return why a suggestion would be in the way; None where the user asked for it."""
    if trigger is Trigger.INVOKED:
        return None
    if is_word_char(cursor.line_after[:1]):
        return reasons.INSIDE_WORD
    if cursor.is_blank:
        return reasons.EMPTY_DOCUMENT
    if not cursor.line_after.strip() and _is_finished(cursor):
        return reasons.STATEMENT_ENDED
    return None


def choose_scope(
    cursor: CursorContext, trigger: Trigger, *, into_blocks: bool
) -> CompletionScope:
    """Return how far a completion at the cursor may run.

    Args:
        cursor: The cursor.
        trigger: Who asked; a completion that the user asked for by hand may begin on
            the next line.
        into_blocks: Whether a line that opens a block goes on to the block's end.
    """
    rule = cursor.literal.literal if cursor.literal else None
    if cursor.line_after.strip() or (rule is not None and rule.spans_lines):
        return CompletionScope.LINE
    if _is_empty_body(cursor):
        return CompletionScope.BLOCK
    if trigger is Trigger.INVOKED and cursor.line_before.strip():
        return CompletionScope.BLOCK
    return CompletionScope.STATEMENT if into_blocks else CompletionScope.LINE


def _is_finished(cursor: CursorContext) -> bool:
    """Return whether the line before the cursor is a statement that was just ended.

    A line that ends in a blank is not: its author writes on. Nor is the head of a
    block, whose colon or brace has still to come.
    """
    line, language = cursor.line_before, cursor.language
    if language.is_prose or cursor.literal is not None:
        return False
    if not language.indents_blocks:
        return line.endswith(";")
    closers = tuple(pair[1] for pair in language.brackets)
    if not line.endswith(closers) or _HEAD_WORD.match(line.lstrip()):
        return False
    opened = sum(line.count(pair[0]) for pair in language.brackets)
    # More closed than opened: the end of something longer, such as a signature.
    return opened == sum(map(line.count, closers))


def _is_empty_body(cursor: CursorContext) -> bool:
    """Return whether the cursor stands where a block's body is still missing."""
    head = cursor.line_before
    if not head.strip():
        head = _head_above(cursor)
    if not opens_block(head, cursor):
        return False
    columns = indentation_of(head)
    is_level = not cursor.line_before.strip() and cursor.indentation <= columns
    if is_level and (_may_be_bare(head, cursor) or _has_level_bodies(cursor)):
        return False
    return indentation_of(cursor.code_below) <= columns


def _may_be_bare(head: str, cursor: CursorContext) -> bool:
    """Return whether nothing indented has to follow a head.

    A recipe stands directly below its target, which may have none.
    """
    is_apart = not "".join(cursor.lines_above[:1]).strip()
    is_target = cursor.language.name == "makefile"
    return bool(_LEVEL_HEAD.match(head)) or (is_target and is_apart)


def _has_level_bodies(cursor: CursorContext) -> bool:
    """Return whether bodies above stand no deeper than their heads.

    As in a namespace of C++, in much HTML, and behind a key of YAML without a value.
    """
    if cursor.language.indents_blocks and cursor.language.name != "yaml":
        return False
    lines = [each for each in cursor.lines_above[:_JUDGED_LINES] if each.strip()]
    return any(
        indentation_of(body) <= indentation_of(head)
        and not _NO_BODY.match(body)
        and opens_block(head, cursor)
        for body, head in pairwise(lines)
    )


def _head_above(cursor: CursorContext) -> str:
    """Return the nearest line above that is neither blank nor part of a docstring."""
    lines = [line for line in cursor.lines_above if line.strip()]
    if cursor.language.name == "python":
        lines = lines[_docstring_length(lines) :]
    return lines[0] if lines else ""


def _docstring_length(lines: Sequence[str]) -> int:
    """Count the lines of a docstring that ends on the first of ``lines``, upwards."""
    if not lines:
        return 0
    last = lines[0].strip()
    for quotes in _DOCSTRING_QUOTES:
        if not last.endswith(quotes):
            continue
        if last.count(quotes) == 2:  # noqa: PLR2004  # it starts and ends on one line
            return 1
        for at, line in enumerate(lines[1:], 2):
            if quotes in line:
                return at
    return 0
