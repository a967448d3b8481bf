"""The filter that cuts a text where it repeats the code behind the cursor."""

import re
from collections.abc import Iterator, Sequence

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.joined_lines import cut_joined_lines
from lsp_server.text import is_word_char
from lsp_server.values import CompletionScope

__all__ = ["cut_suffix_overlap"]

_MIN_OVERLAP_CHARS = 3
_MIN_PUNCTUATION_CHARS = 2
"""A shorter overlap may be chance."""

_MIN_MOVED_CHARS = 24
"""Lines that are so long together are not indented in another way by chance."""

_SURE_REST_CHARS = 6
"""A rest of a line that is so long, with a word or number, is not written by chance."""

_END_TAG = re.compile(r"\s*</([\w.:-]+)")
_WORD = re.compile(r"\w+")


def cut_suffix_overlap(
    text: str, cursor: CursorContext, scope: CompletionScope
) -> str | None:
    """Cut ``text`` where it runs into the rest of the line or the lines below."""
    rest = cursor.line_after.strip()
    if rest:
        return _without_rest(_without_word_rest(text, cursor), rest, cursor)
    if scope is CompletionScope.BLOCK:
        text = _without_lines_below(text, cursor)
    elif _is_next_line(text, cursor):
        return None
    return cut_joined_lines(text, cursor)


def _without_word_rest(text: str, cursor: CursorContext) -> str:
    """Cut, inside a word, where ``text`` repeats the rest of that word."""
    holds_all = text.rstrip().endswith(cursor.line_after.strip())
    if holds_all or not is_word_char(cursor.line_before[-1:]):
        return text
    rest = _WORD.match(cursor.line_after)
    word = _WORD.match(text)
    if rest is None or word is None or not word[0].endswith(rest[0]):
        return text
    written = text[word.end() :].strip()
    behind = cursor.line_after[rest.end() :].strip()
    # A single letter may well come twice, and code that goes on in another way is new.
    is_again = written[0] == behind[:1] if written else len(rest[0]) > 1
    return text[: word.end() - len(rest[0])] if is_again else text


def _without_rest(text: str, rest: str, cursor: CursorContext) -> str:
    """Cut where the rest of the line begins, whole or as far as ``text`` goes.

    A closer that ``text`` itself needs, for a bracket that it opened, is not the one
    in the rest of the line. So the cut that leaves the fewest faults is made, where it
    is not sure.
    """
    is_sure = len(rest) >= _SURE_REST_CHARS and _WORD.search(rest)
    if is_sure and text.rstrip().endswith(rest):
        return _without_rounds(text, rest)
    cuts = tuple(dict.fromkeys(_possible_cuts(text, rest, cursor)))
    if not cuts:
        return text
    faults = {cut: cursor.faults_with(text[:cut]) for cut in (*cuts, len(text))}
    return text[: min(faults, key=lambda cut: faults[cut])]


def _without_rounds(text: str, rest: str) -> str:
    """Cut ``rest`` from the end of ``text``, as often as it stands there.

    Numbers alone may well come again, as in a table.
    """
    text = text.rstrip().removesuffix(rest)
    has_letters = any(map(str.isalpha, rest))
    while has_letters and (written := text.rstrip()).endswith(rest):
        text = written.removesuffix(rest)
    return text


def _possible_cuts(text: str, rest: str, cursor: CursorContext) -> Iterator[int]:
    """Yield the offsets in ``text`` at which ``rest`` may begin, the surest first.

    In prose, words come again: there all of the rest has to be at the end.
    """
    written = text.rstrip()
    if written.endswith(rest):
        yield len(written) - len(rest)
    if cursor.language.is_prose:
        return
    if len(rest) >= _MIN_OVERLAP_CHARS:
        # A longer word that begins like the rest's last one is another word.
        whole = re.escape(rest) + (r"(?!\w)" if is_word_char(rest[-1]) else "")
        yield from (found.start() for found in re.finditer(whole, text))
    for length in range(min(len(rest), len(written)), 0, -1):
        if _is_significant(rest[:length]) and written.endswith(rest[:length]):
            yield len(written) - length


def _is_significant(shared: str) -> bool:
    """Return whether an overlap is too long to be chance."""
    is_punctuation = not any(char.isalnum() or char.isspace() for char in shared)
    return len(shared) >= (
        _MIN_PUNCTUATION_CHARS if is_punctuation else _MIN_OVERLAP_CHARS
    )


def _is_next_line(text: str, cursor: CursorContext) -> bool:
    """Return whether the completed line would be the same as the one below.

    A closer of what nothing behind the cursor closes is no repeat of the next closer.
    """
    line = (cursor.line_before + text).rstrip()
    if not line or line != cursor.code_below.rstrip():
        return False
    return not any(
        closing.offset + len(closing.frame.closer) > 0
        and closing.frame.start < 0
        and closing.frame not in cursor.closed_behind
        for closing in cursor.scan(text).closings
    )


def _without_lines_below(text: str, cursor: CursorContext) -> str:
    """Cut lines at the end of ``text`` that are the lines below the cursor.

    Blank lines do not count, nor does the indentation of several long ones. What
    ``text`` itself needs to be whole is kept.
    """
    lines = text.split("\n")
    written = [at for at, line in enumerate(lines) if at and line.strip()]
    below = [line.rstrip() for line in cursor.lines_below if line.strip()]
    for length in range(min(len(written), len(below)), 0, -1):
        tail = [lines[at].rstrip() for at in written[-length:]]
        if tail == below[:length] or _are_moved(tail, below[:length], text, cursor):
            cut = "\n".join(lines[: written[-length]])
            is_better = cursor.faults_with(cut) <= cursor.faults_with(text)
            return cut if is_better else text
    return text


def _are_moved(
    written: Sequence[str], below: Sequence[str], text: str, cursor: CursorContext
) -> bool:
    """Return whether lines are those below, but for their indentation.

    Args:
        written: The lines at the end of ``text``.
        below: The lines below the cursor.
        text: All that was generated.
        cursor: Where it stands.
    """
    if [line.strip() for line in written] != [line.strip() for line in below]:
        return False
    tag = _END_TAG.match(written[0])
    if tag and not (written[1:] or cursor.language.brackets):
        return f"<{tag[1]}" not in text
    is_literal = cursor.scan(text).literal_at(text.rstrip().rfind("\n") + 1) is not None
    may_be_one = is_literal or not cursor.language.brackets
    return (len(written) > 1 or may_be_one) and sum(
        map(len, written)
    ) >= _MIN_MOVED_CHARS
