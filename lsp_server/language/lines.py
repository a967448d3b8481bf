"""Facts about a place in a line, from the part of the line before it."""

import re
from typing import Final

__all__ = [
    "TAB_WIDTH",
    "begins_loop",
    "columns_of",
    "key_columns_of",
    "takes_command",
    "takes_operand",
    "takes_statement",
]

TAB_WIDTH: Final = 4

_LAST_WORD = re.compile(r"\w+\Z")
_LIST_MARKS = re.compile(r"[ ]*(?:-[ ]+)*")
_LOOP_HEAD = re.compile(r"[ \t]*(?:for|until|while)\b")
_BEFORE_OPERAND = frozenset("(,=:[!&|?{;~+-*%^>")
_WORDS_BEFORE_OPERAND = frozenset(
    {
        *("and", "await", "case", "delete", "do", "else", "elsif", "grep", "if", "in"),
        *("instanceof", "not", "of", "or", "return", "split", "throw", "typeof"),
        *("unless", "void", "when", "while", "yield"),
    }
)
_BEFORE_COMMAND = frozenset(";&|({)=!`")
_WORDS_BEFORE_COMMAND = frozenset(
    {"do", "elif", "else", "if", "then", "until", "while"}
)
_BEFORE_STATEMENT = (*";({[=|", "&&", "=>", "->")
_OPERATOR_NAME = re.compile(r":(?:\[\]=|[!=<>~]+)\Z")
_WORDS_BEFORE_STATEMENT = frozenset(
    {"and", "begin", "do", "else", "ensure", "not", "or", "then"}
)


def columns_of(line: str) -> int:
    """Return the width of the blanks at the start of ``line``, in columns."""
    width = len(line) - len(line.lstrip(" \t"))
    blanks = line[:width]
    return len(blanks.expandtabs(TAB_WIDTH)) if "\t" in blanks else width


def key_columns_of(line: str) -> int:
    """Return the column of the YAML key, or of the list dash, that a text belongs to.

    Args:
        line: A line of YAML up to the mark behind which the text begins.
    """
    marks = _LIST_MARKS.match(line)
    end = marks.end() if marks else 0
    return line.rindex("-") if end == len(line) and "-" in line else end


def begins_loop(line: str) -> bool:
    """Return whether a ``do`` behind ``line`` belongs to the loop that it begins."""
    return _LOOP_HEAD.match(line) is not None


def takes_operand(line: str) -> bool:
    """Return whether an operand may stand behind ``line``, not only an operator."""
    line = line.rstrip()
    if not line:
        return True
    word = _LAST_WORD.search(line)
    if word is not None:
        return word[0] in _WORDS_BEFORE_OPERAND
    return line[-1] in _BEFORE_OPERAND and not line.endswith(("++", "--"))


def takes_command(line: str) -> bool:
    """Return whether a shell's command may begin behind ``line``."""
    line = line.rstrip()
    if not line or line[-1] in _BEFORE_COMMAND:
        return True
    word = _LAST_WORD.search(line)
    return word is not None and word[0] in _WORDS_BEFORE_COMMAND


def takes_statement(line: str) -> bool:
    """Return whether one of Ruby's statements may begin behind ``line``.

    Elsewhere `if` and its kin are modifiers of what stands left of them.
    """
    line = line.rstrip()
    if not line or line.endswith(_BEFORE_STATEMENT):
        return not _OPERATOR_NAME.search(line)
    word = _LAST_WORD.search(line)
    if word is None or word[0] not in _WORDS_BEFORE_STATEMENT:
        return False
    return not line[: word.start()].endswith((".", ":"))
