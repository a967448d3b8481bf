"""Counts the errors that a parser finds in a text once something is inserted."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tree_sitter import Parser, Tree
    from tree_sitter_language_pack import SupportedLanguage

__all__ = ["syntax_errors"]

_GRAMMARS: Mapping[str, str] = {
    **{each: each for each in ("c", "cpp", "css", "dart", "dockerfile", "go", "html")},
    **{each: each for each in ("java", "javascript", "json", "kotlin", "lua", "php")},
    **{each: each for each in ("python", "ruby", "rust", "scala", "swift", "toml")},
    **{each: each for each in ("typescript", "yaml")},
    "csharp": "csharp",
    "javascriptreact": "javascript",
    "makefile": "make",
    "shellscript": "bash",
    "typescriptreact": "tsx",
}
"""The grammar of each language id; languages that hardly have errors are left out."""

_REACH_CHARS = 16_000
"""How much of the text is parsed to either side. The interpreter stands still while it
is: a few milliseconds for all of it."""

_MAX_ERRORS = 100


def syntax_errors(
    text: str, at: int, insertions: Sequence[str], language_id: str, *, limit_s: float
) -> list[int] | None:
    """Return how many errors the text has with each insertion by itself.

    Loads a grammar and parses, so run it off the event loop.

    Args:
        text: The text.
        at: Where to insert, in code points.
        insertions: What to insert.
        language_id: The text's language.
        limit_s: After so many seconds no further insertion is tried.

    Returns:
        The numbers of errors in the order of ``insertions``; None where the language
        has no grammar, or the time was not enough for all.
    """
    grammar = _GRAMMARS.get(language_id)
    if grammar is None:
        return None
    began_s = time.monotonic()
    parser = _parser_of(grammar)
    before = _encoded(text[max(0, at - _REACH_CHARS) : at])
    after = _encoded(text[at : at + _REACH_CHARS])
    whole = parser.parse(before + after)
    row = before.count(b"\n")
    place = (row, len(before) - before.rfind(b"\n") - 1)
    found = []
    for insertion in insertions:
        if time.monotonic() - began_s > limit_s:
            return None
        added = _encoded(insertion)
        last_line = added.rpartition(b"\n")[2]
        column = len(last_line) + (0 if b"\n" in added else place[1])
        tree = whole.copy()
        # So that only what the insertion changes is parsed again.
        tree.edit(
            len(before),
            len(before),
            len(before) + len(added),
            place,
            place,
            (row + added.count(b"\n"), column),
        )
        found.append(_errors(parser.parse(before + added + after, tree)))
    return found


def _parser_of(grammar: str) -> "Parser":
    from tree_sitter_language_pack import get_parser  # noqa: PLC0415  # 0.1 s, in a thread

    return get_parser(cast("SupportedLanguage", grammar))


def _encoded(text: str) -> bytes:
    """Return the text as UTF-8; lone surrogates become question marks."""
    return text.encode("utf-8", errors="replace")


def _errors(tree: "Tree") -> int:
    """Count the places where the parser skipped or missed something."""
    nodes = [tree.root_node]
    errors = 0
    while nodes and errors < _MAX_ERRORS:
        node = nodes.pop()
        errors += node.is_error or node.is_missing
        if node.has_error:
            nodes.extend(node.children)
    return errors
