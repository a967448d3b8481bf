"""How the lexical rules of a language are described, and the literals that many share.

A rule is data: `languages` has them, and the scanner in `scan` knows no language.
"""

import enum
import re
from dataclasses import dataclass, replace

from lsp_server.language.lines import (
    begins_loop,
    takes_command,
    takes_operand,
    takes_statement,
)

__all__ = [
    "BACKSLASH",
    "CHARACTER",
    "DOUBLE",
    "HASH",
    "REGEX",
    "SINGLE",
    "SLASHES",
    "SLASH_STAR",
    "TRIPLE_DOUBLE",
    "TRIPLE_SINGLE",
    "Ending",
    "Kind",
    "Language",
    "LineEnd",
    "Literal",
    "Words",
    "with_code",
]


class Kind(enum.Enum):
    """What a place in a text belongs to."""

    CODE = "code"
    COMMENT = "comment"
    STRING = "string"
    CHARACTER = "character"
    REGEX = "regex"
    HEREDOC = "heredoc"
    BRACKET = "bracket"
    BLOCK = "block"

    @property
    def is_literal(self) -> bool:
        """Whether text of this kind is no code: brackets and words in it are none."""
        return self not in {Kind.CODE, Kind.BRACKET, Kind.BLOCK}


class Ending(enum.Enum):
    """How a literal ends, where that is more than a text that closes it.

    Attributes:
        CLOSER: At its closer.
        LINE: At the end of its line, which is not part of it.
        TAG: On a later line that holds the tag of its opener and nothing else.
        DEDENT: Before the first line that is indented no deeper than its own.
    """

    CLOSER = enum.auto()
    LINE = enum.auto()
    TAG = enum.auto()
    DEDENT = enum.auto()


class LineEnd(enum.Enum):
    """What the end of a line means in code.

    Attributes:
        BLANK: The same as a blank, anywhere.
        CONTINUED: The same as a blank within brackets, and where a line cannot be over;
            elsewhere it ends a statement.
        STATEMENT: It always ends something.
    """

    BLANK = enum.auto()
    CONTINUED = enum.auto()
    STATEMENT = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Literal:
    r"""One way in which a language writes a string, a comment or the like.

    Attributes:
        kind: What it is.
        opens: An expression for its opener. A group ``tag`` in it is what the closer
            or the ending refers to; a group ``quote`` may stand twice in it.
        closes: The text of its closer; ``{tag}`` in it stands for the opener's tag.
        ending: How it ends.
        escapes: Expressions for what does not end it though it holds the closer, a
            backslash with any character for example.
        spans_lines: Whether it goes on behind the end of a line.
        inside: The openers of code within it, with their closers: ``${`` and ``}``.
        needs_operand: Whether it can begin only where an operand can, as a regular
            expression does, and a division does not.
        behind: An expression for the line up to its opener; empty where it may begin
            behind anything.
    """

    kind: Kind
    opens: str
    closes: str = ""
    ending: Ending = Ending.CLOSER
    escapes: tuple[str, ...] = ()
    spans_lines: bool = False
    inside: tuple[tuple[str, str], ...] = ()
    needs_operand: bool = False
    behind: str = ""

    def may_begin(self, line: str) -> bool:
        """Return whether it can begin behind ``line``, which is in code."""
        if self.needs_operand and not takes_operand(line):
            return False
        return not self.behind or re.search(self.behind, line) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words that open and close the blocks of a language.

    Attributes:
        pairs: Each word that opens a block, with the word that closes it.
        at_command: Whether they count only where a command begins.
        at_statement: The openers that count only where a statement begins; elsewhere
            they are modifiers.
    """

    pairs: tuple[tuple[str, str], ...]
    at_command: bool = False
    at_statement: frozenset[str] = frozenset()

    def counts(self, word: str, line: str) -> bool:
        """Return whether one of the words opens or closes a block behind ``line``."""
        if self.at_command:
            return takes_command(line)
        if word == "do" and self.at_statement:
            return not begins_loop(line)
        return word not in self.at_statement or takes_statement(line)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Language:
    """The lexical rules of one language.

    Attributes:
        name: Its name.
        literals: Its strings, comments and the like; the first that opens holds.
        brackets: Its pairs of brackets.
        words: Its words for blocks; None where it has none.
        line_comment: What begins a comment up to the end of the line; empty where
            nothing does.
        skips: An expression for what hides the next character in code; may be empty.
        head: An expression for the end of a line that opens a block.
        statement: An expression for the start of a line that no open bracket contains;
            may be empty.
        line_end: What the end of a line means.
        indents_blocks: Whether indentation is what makes a block.
        has_stray_closers: Whether a closer can stand without its opener, as in a label.
        prefers_tabs: Whether it is indented with tabs where a file does not tell.
        is_prose: Whether it is text for people, or a language without rules here:
            nothing is known of its brackets, strings and comments.
    """

    name: str
    literals: tuple[Literal, ...] = ()
    brackets: tuple[str, ...] = ("()", "[]", "{}")
    words: Words | None = None
    line_comment: str = ""
    skips: str = ""
    head: str = r"\{"
    statement: str = ""
    line_end: LineEnd = LineEnd.CONTINUED
    indents_blocks: bool = False
    has_stray_closers: bool = False
    prefers_tabs: bool = False
    is_prose: bool = False

    def opens_block(self, code: str) -> bool:
        """Return whether a line of code, without comment, ends as a block's head.

        Args:
            code: The line up to its end or up to a comment.
        """
        if self.is_prose or not self.head:
            return False
        return re.search(rf"(?:{self.head})[ \t]*\Z", code) is not None


BACKSLASH = (r"\\[\s\S]",)

SLASHES = Literal(kind=Kind.COMMENT, opens="//", ending=Ending.LINE)
SLASH_STAR = Literal(kind=Kind.COMMENT, opens=r"/\*", closes="*/", spans_lines=True)
HASH = Literal(kind=Kind.COMMENT, opens="#", ending=Ending.LINE)
DOUBLE = Literal(kind=Kind.STRING, opens='"', closes='"', escapes=BACKSLASH)
SINGLE = Literal(kind=Kind.STRING, opens="'", closes="'", escapes=BACKSLASH)
CHARACTER = replace(SINGLE, kind=Kind.CHARACTER)
TRIPLE_DOUBLE = replace(DOUBLE, opens='"""', closes='"""', spans_lines=True)
TRIPLE_SINGLE = replace(SINGLE, opens="'''", closes="'''", spans_lines=True)
REGEX = Literal(
    kind=Kind.REGEX,
    opens="/",
    closes="/",
    escapes=(*BACKSLASH, r"\[(?:\\.|[^\]\\\n])*\]"),
    needs_operand=True,
)


def with_code(literal: Literal, opens: str) -> Literal:
    """Return a string with code between braces in it; a doubled brace is none."""
    return replace(
        literal,
        opens=opens,
        escapes=(r"\{\{|\}\}", *literal.escapes),
        inside=(("{", "}"),),
    )
