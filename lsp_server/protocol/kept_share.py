"""How much of an accepted text still stands in a document."""

import re
from collections import Counter
from difflib import SequenceMatcher

from lsp_server.text import with_line_feeds

__all__ = ["kept_chars", "solid_chars"]

_WORD = re.compile(r"\w+|[^\w\s]")
_TELLING_CHARS = 3
"""Words shorter than this stand everywhere."""

_MOST_COMPARED = 64
"""Lines of the document that one changed line is compared with at most."""


def solid_chars(text: str) -> int:
    """Return how many characters of a text are no blanks."""
    return sum(len(word) for word in text.split())


def kept_chars(accepted: str, document: str) -> int:
    """Return how many of an accepted text's characters, blanks aside, still stand.

    A line counts wherever it is now and however it is indented, once for each time
    that it stands there; of a line that was changed, the words that are left in order.

    Args:
        accepted: The text as it was accepted.
        document: The document's text now.
    """
    text = with_line_feeds(document)
    lines = [line.strip() for line in text.split("\n")]
    whole = Counter(lines)
    kept = 0
    for line in filter(None, map(str.strip, with_line_feeds(accepted).split("\n"))):
        if whole[line]:
            whole[line] -= 1
            kept += solid_chars(line)
        elif line in text:  # within a line: the first or the last one of a suggestion
            kept += solid_chars(line)
        else:
            kept += _most_in_common(line, lines)
    return kept


def _most_in_common(line: str, lines: list[str]) -> int:
    """Return the most characters of a line's words that one of the lines has, too."""
    words = _WORD.findall(line)
    telling = {word for word in words if len(word) >= _TELLING_CHARS}
    similar = [each for each in lines if any(word in each for word in telling)]
    return max(
        (_in_common(words, _WORD.findall(each)) for each in similar[:_MOST_COMPARED]),
        default=0,
    )


def _in_common(words: list[str], others: list[str]) -> int:
    """Return the characters of those words that stand in both, in the same order."""
    matcher = SequenceMatcher(a=words, b=others, autojunk=False)
    return sum(
        len(word)
        for block in matcher.get_matching_blocks()
        for word in words[block.a : block.a + block.size]
    )
