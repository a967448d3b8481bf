"""Keeps a completion from saying what already stands behind the cursor."""

import re
from collections.abc import Iterator

from lsp_server.postprocess.brackets import CLOSERS, brackets, open_brackets
from lsp_server.postprocess.surroundings import following_lines
from lsp_server.values import CompletionScope, Snapshot

__all__ = ["cut_suffix_overlap"]

_LEAST_PARTIAL_CHARS = 3
_LEAST_PUNCTUATION_CHARS = 2
_WORD = re.compile(r"\w+")
_QUOTES = "\"'`"


def cut_suffix_overlap(text: str, near: Snapshot, scope: CompletionScope) -> str | None:
    """Cut ``text`` where it runs into the rest of the line or the lines below."""
    rest = near.line_after.strip()
    if rest:
        text = _without_rest(_without_word_rest(text, near), rest)
        return _without_closing_quote(text, near)
    if scope is CompletionScope.LINE:
        return None if _is_next_line(text, near) else text
    return _without_lines_below(text, near)


def _without_word_rest(text: str, near: Snapshot) -> str:
    """Cut, inside of a word, where ``text`` says the rest of that word."""
    rest = _WORD.match(near.after)
    word = _WORD.match(text)
    is_within = near.line_before[-1:].isalnum() or near.line_before.endswith("_")
    if rest is None or word is None or not is_within or not word[0].endswith(rest[0]):
        return text
    return text[: word.end() - len(rest[0])]


def _without_rest(text: str, rest: str) -> str:
    """Cut where the rest of the line begins, whole or as far as the text goes.

    A closer behind the cut must not be that of a bracket which ``text`` itself opened:
    it is then not the one of the rest, however alike they look.
    """
    for cut in _cuts(text, rest):
        has_closer = any(char in CLOSERS for _, char in brackets(text[cut:]))
        if not (has_closer and open_brackets(text[:cut])):
            return text[:cut]
    return text


def _cuts(text: str, rest: str) -> Iterator[int]:
    """Give the places in ``text`` where ``rest`` may begin, the surest first."""
    written = text.rstrip()
    if written.endswith(rest):
        yield len(written) - len(rest)
    if len(rest) >= _LEAST_PARTIAL_CHARS:
        yield from (found.start() for found in re.finditer(re.escape(rest), text))
    for length in range(min(len(rest), len(written)), 0, -1):
        if _tells(rest[:length]) and written.endswith(rest[:length]):
            yield len(written) - length


def _tells(shared: str) -> bool:
    """Tell whether so short a piece stands in both places for more than by chance."""
    is_punctuation = not any(char.isalnum() or char.isspace() for char in shared)
    least = _LEAST_PUNCTUATION_CHARS if is_punctuation else _LEAST_PARTIAL_CHARS
    return len(shared) >= least


def _without_closing_quote(text: str, near: Snapshot) -> str:
    """Cut at a quote that ends the string which the next character already ends."""
    quote = near.after[:1]
    if not quote or quote not in _QUOTES or near.line_before.count(quote) % 2 == 0:
        return text
    return text.partition(quote)[0]


def _is_next_line(text: str, near: Snapshot) -> bool:
    """Tell whether the finished line would stand twice, one below the other."""
    line = (near.line_before + text).rstrip()
    below = next((each for each in following_lines(near) if each.strip()), "")
    return bool(line) and line == below.rstrip()


def _without_lines_below(text: str, near: Snapshot) -> str:
    """Cut lines at the end that are the lines below the cursor."""
    written = text.split("\n")
    below = [line.rstrip() for line in following_lines(near) if line.strip()]
    for length in range(min(len(written) - 1, len(below)), 0, -1):
        tail = [line.rstrip() for line in written[-length:]]
        if tail == below[:length]:
            return "\n".join(written[:-length])
    return text
