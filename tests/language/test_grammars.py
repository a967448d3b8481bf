"""The lexical rules say what the grammars of tree-sitter say of the same text."""

from pathlib import Path
from typing import cast

import pytest
from tree_sitter import Node
from tree_sitter_language_pack import SupportedLanguage, get_parser

from lsp_server.language.grammar import Kind
from lsp_server.language.languages import language_of
from lsp_server.language.scan import scan

# Each has what its language is known to be hard for; brackets stand where they count
# and where they do not.
SAMPLES = sorted((Path(__file__).parents[1] / "golden" / "lexical").glob("*.txt"))
IDS = {"tsx": "typescriptreact", "bash": "shellscript", "make": "makefile"}


def opened_by_grammar(node: Node) -> set[int]:
    """Return where a grammar sees brackets open."""
    assert not node.is_error, "not a valid sample"
    assert not node.is_missing, "not a valid sample"
    if not node.children:
        is_code = node.parent is None or node.parent.type != "raw_string_literal"
        is_bracket = node.type in {"(", "[", "{", "interpolation_brace"} and is_code
        return {node.start_byte} if is_bracket and node.text != b"}" else set()
    return {at for each in node.children for at in opened_by_grammar(each)}


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_brackets_are_those_of_the_grammar(path: Path) -> None:
    """What a grammar takes for a string, a comment or the like holds no bracket."""
    text = path.read_text("utf-8")
    language = language_of(IDS.get(path.stem, path.stem))
    found = scan(text, language)
    opened = {
        frame.start
        for stack in found.stacks
        for frame in stack
        if frame.opener in {"(", "[", "{"} and frame.kind is Kind.BRACKET
    }
    parser = get_parser(cast("SupportedLanguage", path.stem))
    expected = {
        at
        for at in opened_by_grammar(parser.parse(text.encode()).root_node)
        if any(text[at] in pair for pair in language.brackets)
    }
    assert expected == opened
    assert () == found.state.frames
    assert 0 == found.faults
