"""Cuts a text that repeats the line below the cursor without a line end before it.

Where a language reads a line end as a blank, a model may write the next line on the
cursor's line. The lines are compared token by token, so blanks do not matter.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.language.grammar import LineEnd

__all__ = ["cut_joined_lines"]

_TOKEN = re.compile(
    r"""
    "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `[^`\n]*`
    | \w+ | \?\. | -> | [-+*/%&|^~<>=!?:]+ | \S
    """,
    re.VERBOSE,
)
_NAME = re.compile(r"[^\W\d]\w*")
_NAMED_ITEM = re.compile(
    r"""\.?(?:[\w-]+|"[^"\n]*"|'[^'\n]*')\s*(?:=>|:(?!:)|=(?!=))"""
)
_STRING = re.compile(r'"[^"]*"|' + r"'[^']*'")

_LINES, _TAG_LINES = 6, 20
"""So many lines below are compared, and so many above are searched for a tag."""

_LONG_NAME_CHARS = 5
"""A shorter name alone may well stand twice in a row."""

_SURE_WORDS = 4
"""So many words in a row are no chance, though the line below goes on."""

_LINKS = frozenset({".", "?.", "->", "::", "&&", "||", "??"})
"""What goes on with the line above, however far the line is indented."""

_OPERATORS = frozenset("+-*/%&|^<>=?") | _LINKS | {"==", "!=", "<=", ">=", "<<", ">>"}
_WORD_OPERATORS = frozenset({"and", "or", "not", "in", "is"})
_BEGINS_STATEMENT = frozenset({"alter", "create", "drop", "grant", "revoke"})
_ENDS_STATEMENT = frozenset({";", "then", "else", "loop", "begin", "do"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repeat:
    """Tokens at the end of a text that are the first ones below.

    Attributes:
        start: The offset in the text at which they begin.
        tokens: The tokens, as they are compared.
        before: The token before them; empty where there is none.
    """

    start: int
    tokens: Sequence[str]
    before: str


def cut_joined_lines(text: str, cursor: CursorContext) -> str:
    """Cut the end of ``text`` that is the line below, written on the same line.

    A repeat at the start of a line is left alone: whole lines are compared elsewhere.

    Args:
        text: What was generated, with no code behind the cursor on its line.
        cursor: Where it stands.
    """
    if cursor.language.line_end is LineEnd.STATEMENT:
        return text
    found = cursor.scan(text)
    if found.literal_at(len(text)) is not None:
        return text
    for repeat in _repeats(text, cursor):
        if found.literal_at(repeat.start) is not None:
            continue
        if not (_is_no_chance(repeat, text) and _goes_on(repeat, text, cursor)):
            continue
        cut = text[: repeat.start].rstrip()
        if cursor.faults_with(cut) <= cursor.faults_with(text):
            return cut
    return text


def _repeats(text: str, cursor: CursorContext) -> Iterator[_Repeat]:
    """Yield the ends of ``text`` that begin what is below, the longest first."""
    line_start = len(cursor.line_before)
    written = list(_TOKEN.finditer(cursor.line_before + text))
    tokens = [_same(each[0], cursor) for each in written]
    lines = islice(filter(str.strip, cursor.lines_below), _LINES)
    rows = [[_same(each, cursor) for each in _TOKEN.findall(line)] for line in lines]
    below = [token for line in rows for token in line]
    if not below:
        return
    generated = sum(each.start() >= line_start for each in written)
    for length in range(min(len(below), generated), 0, -1):
        if tokens[-length:] != below[:length]:
            continue
        start = written[-length].start() - line_start
        # A comma at the end of the line may be gone from the text already.
        is_separated = length == len(rows[0]) - 1 and below[length] == ","
        repeated = below[: length + is_separated]
        is_whole = len(repeated) >= len(rows[0]) or below[length] in {")", "]", "}"}
        is_long = sum(map(_is_name, repeated)) >= _SURE_WORDS or repeated[-1] == ">"
        head = (cursor.line_before + text)[: written[-length].start()]
        if (is_whole or is_long) and head.rpartition("\n")[2].strip():
            before = tokens[-length - 1] if length < len(tokens) else ""
            yield _Repeat(start=start, tokens=repeated, before=before)


def _same(token: str, cursor: CursorContext) -> str:
    """Return ``token`` in the way in which it is compared: SQL's words in one case."""
    return token.lower() if cursor.language.name == "sql" and token[0] != "'" else token


def _is_no_chance(repeat: _Repeat, text: str) -> bool:
    """Return whether tokens are too many, or too telling, to come twice by chance.

    Numbers and strings alone may well do so, and rows of a table.
    """
    written = text[repeat.start :]
    is_named = _NAMED_ITEM.match(written) is not None
    names = sum(map(_is_name, repeat.tokens))
    if is_named:
        return True
    if not names:
        return False
    if repeat.tokens[-1] == ",":
        # Two names side by side are a parameter with its type, and no row.
        pairs = zip(repeat.tokens, repeat.tokens[1:], strict=False)
        return any(_is_name(one) and _is_name(other) for one, other in pairs)
    if repeat.tokens[0] in _LINKS or _is_long_name(repeat.tokens[0]):
        return True
    return sum(map(_is_word, repeat.tokens)) > 1


def _goes_on(repeat: _Repeat, text: str, cursor: CursorContext) -> bool:
    """Return whether the line below goes on with the line that ends at the repeat."""
    if cursor.language.line_end is LineEnd.CONTINUED:
        return _is_continued(repeat, text, cursor)
    match cursor.language.name:
        case "html":
            return _is_in_tag(text[: repeat.start], cursor)
        case "sql":
            is_new = repeat.tokens[0] in _BEGINS_STATEMENT
            return not is_new and repeat.before not in _ENDS_STATEMENT
        case _:
            is_item = _NAMED_ITEM.match(text[repeat.start :]) is not None
            return is_item and repeat.before in {",", ";", "{"}


def _is_continued(repeat: _Repeat, text: str, cursor: CursorContext) -> bool:
    """Return the same, for a language in which a line end may end a statement."""
    first, before = repeat.tokens[0], repeat.before
    is_behind_operand = _is_word(before) or before in {")", "]", "}"}
    is_deeper = indentation_of(cursor.code_below) > cursor.indentation
    if first in _LINKS and is_behind_operand:
        return True
    frames = cursor.scan(text).frames_at(repeat.start)
    opener = frames[-1].opener if frames else ""
    is_bracketed = opener in {"(", "["}
    operators = _OPERATORS | _WORD_OPERATORS
    if is_bracketed or is_deeper:
        is_operator = first in operators and is_behind_operand
        if is_operator or before in operators:
            return True
    if opener == "{":
        is_item = _NAMED_ITEM.match(text[repeat.start :]) is not None
        return is_item and before == ","
    return is_bracketed and before == ","


def _is_in_tag(text: str, cursor: CursorContext) -> bool:
    """Return whether the place behind ``text`` is among an element's attributes."""
    above = reversed(cursor.lines_above[:_TAG_LINES])
    head = _STRING.sub("", "\n".join([*above, cursor.line_before + text]))
    opener = head.rfind("<")
    return opener >= 0 and re.match(r"<[A-Za-z][^>]*\s\Z", head[opener:]) is not None


def _is_name(token: str) -> bool:
    """Return whether a token is a name or a keyword."""
    return _NAME.fullmatch(token) is not None


def _is_long_name(token: str) -> bool:
    """Return whether a token is a name that hardly comes twice by chance."""
    return _is_name(token) and len(token) >= _LONG_NAME_CHARS


def _is_word(token: str) -> bool:
    """Return whether a token is a name, a number or a string."""
    return token[:1].isalnum() or token[:1] in {"_", '"', "'", "`"}
