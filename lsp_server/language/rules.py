"""The expressions by which a scan finds its way, made of a language's rules."""

import functools
import re
from dataclasses import dataclass

from lsp_server.language.grammar import Ending, Language, Literal

__all__ = ["Rules", "inside_of", "rules_of"]

_WORD_BEGINS, _WORD_ENDS = r"(?<![\w.:@$\-])", r"(?![\w?!:=]|-(?!-))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The expressions for the code of one language.

    Attributes:
        code: Finds the next bracket, word, literal or start of a statement in code. The
            name of its group says which: ``open``, ``close``, ``word``, ``skip``,
            ``line``, or ``literal`` with its number.
        statement: The start of a line that no open bracket contains.
        closers: Each opening bracket with its closer.
        words: Each word that opens a block with the word that closes it.
        ends: The words that close a block.
    """

    code: re.Pattern[str]
    statement: re.Pattern[str]
    closers: dict[str, str]
    words: dict[str, str]
    ends: frozenset[str]


@functools.cache
def rules_of(language: Language) -> Rules:
    """Return the expressions for a language."""
    words = dict(language.words.pairs) if language.words else {}
    parts = [f"(?P<skip>{language.skips})"] if language.skips else []
    for number, literal in enumerate(language.literals):
        opens = re.sub(r"\(\?P([<=])(tag|quote)", rf"(?P\1\g<2>{number}", literal.opens)
        parts.append(f"(?P<literal{number}>{opens})")
    if language.brackets:
        pairs = "".join(language.brackets)
        parts.append(f"(?P<open>[{re.escape(pairs[::2])}])")
        parts.append(f"(?P<close>[{re.escape(pairs[1::2])}])")
    if words:
        every = "|".join(sorted({*words, *words.values()}))
        parts.append(f"(?P<word>{_WORD_BEGINS}(?:{every}){_WORD_ENDS})")
    if language.statement:
        parts.append(rf"(?P<line>\n(?={language.statement}))")
    return Rules(
        code=re.compile("|".join(parts) or r"(?!)"),
        statement=re.compile(language.statement or r"(?!)"),
        closers={pair[0]: pair[1] for pair in language.brackets},
        words=words,
        ends=frozenset(words.values()),
    )


@functools.lru_cache(maxsize=1024)
def inside_of(literal: Literal, closer: str, columns: int) -> re.Pattern[str]:
    """Return what finds the next place of interest inside of a literal.

    The name of its group says what it is: ``skip``, ``close``, ``line`` for the end of
    a line that ends it, or ``inner`` with the number of an opener of code.

    Args:
        literal: The rule.
        closer: Its closer, with the tag of its opener.
        columns: Its indentation, for a literal that a dedent ends.
    """
    if literal.ending is Ending.DEDENT:
        return re.compile(rf"(?P<close>\n(?=[ ]{{0,{columns}}}[^\s]))")
    if literal.ending is Ending.LINE:
        return re.compile(r"(?P<line>\n)")
    if literal.ending is Ending.TAG:
        return re.compile(rf"(?P<close>\n[ \t]*{re.escape(closer)}(?=[;,)]*(?:\n|\Z)))")
    parts = [f"(?P<skip>{'|'.join(literal.escapes)})"] if literal.escapes else []
    parts.append(f"(?P<close>{re.escape(closer)})")
    for number, (opener, _) in enumerate(literal.inside):
        parts.append(f"(?P<inner{number}>{re.escape(opener)})")
    if not literal.spans_lines:
        parts.append(r"(?P<line>\n)")
    return re.compile("|".join(parts))
