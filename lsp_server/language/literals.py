"""The literals that many languages share: quoted strings and comments."""

from dataclasses import replace

from lsp_server.language.grammar import Ending, Kind, Literal

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
    "with_code",
]

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
