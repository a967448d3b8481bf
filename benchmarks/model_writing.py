"""What a model writes where it is known what stood at the cursor: that, and more.

Each writer has the right text and does with it what models do: they stop, go on with
what stands behind the cursor, say the same again, close once too often, or indent with
other widths. Of each, the filters ought to show the right text and nothing else.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from lsp_server.context.cursor import indentation_of
from lsp_server.language.frames import literal_of
from lsp_server.language.grammar import Kind
from lsp_server.language.languages import language_of
from lsp_server.language.scan import scan
from lsp_server.text import is_word_char

__all__ = ["WRITERS", "Writer"]

Writer: TypeAlias = Callable[[str, str, str, str], str | None]
"""From the text before the cursor, what stood there, the text behind it and the
language to what the model writes; None where such a model writes nothing of its own."""

_ROUNDS = 3
_TAB_COLUMNS = 4


def _stops(_before: str, middle: str, _after: str, _language_id: str) -> str:
    return middle


def _goes_on(_before: str, middle: str, after: str, _language_id: str) -> str:
    return middle + after


def _says_the_line_again(
    _before: str, middle: str, after: str, _language_id: str
) -> str:
    return middle + after.partition("\n")[0]


def _repeats(before: str, middle: str, after: str, language_id: str) -> str | None:
    """Write the lines again and again, the first from its beginning on."""
    if after.partition("\n")[0].strip() or not middle.strip():
        return None
    frames = scan(before + middle, language_of(language_id)).state.frames
    if literal_of(frames) is not None:
        return None
    line = before.rpartition("\n")[2]
    return "\n".join([middle, *[line + middle] * (_ROUNDS - 1)])


def _closes(before: str, middle: str, after: str, language_id: str) -> str | None:
    """Close the innermost bracket or string once more than the file does."""
    language = language_of(language_id)
    state = scan(before + middle, language).state
    literal = literal_of(scan(before, language).state.frames)
    is_in_word = is_word_char(middle[-1:]) and is_word_char(after[:1])
    inner = state.frames[-1] if state.frames else None
    if inner is None or inner.kind not in {Kind.BRACKET, Kind.STRING}:
        return None
    is_heredoc = literal is not None and literal.kind is Kind.HEREDOC
    if is_in_word or is_heredoc or state.heredocs:
        return None
    if after.lstrip().startswith(inner.closer[0]):
        return None
    return middle + inner.closer


def _indents(to: Callable[[int], str]) -> Writer:
    """Return a writer that goes on with another indentation."""

    def write(before: str, middle: str, after: str, _language_id: str) -> str | None:
        if "\t" in before or "\t" in after:
            return None
        first, *lines = (middle + after).split("\n")
        return "\n".join([first, *(to(indentation_of(x)) + x.lstrip() for x in lines)])

    return write


WRITERS: Mapping[str, Writer] = MappingProxyType(
    {
        "stops": _stops,
        "goes on": _goes_on,
        "says the line again": _says_the_line_again,
        "repeats": _repeats,
        "closes again": _closes,
        "half the width": _indents(lambda columns: " " * (columns // 2)),
        "twice the width": _indents(lambda columns: " " * (columns * 2)),
        "tabs": _indents(
            lambda columns: (
                "\t" * (columns // _TAB_COLUMNS) + " " * (columns % _TAB_COLUMNS)
            )
        ),
    }
)
