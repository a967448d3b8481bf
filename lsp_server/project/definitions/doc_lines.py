"""The first line of a definition's documentation."""

import re
from dataclasses import dataclass

from tree_sitter import Node

__all__ = ["DocLine", "doc_line"]

_MOST_CHARS = 160
_TAG = re.compile(r"</?\w[^>]*>")
_MARKS = re.compile(r"^\s*(?:/\*+!?|\*+/?|//+!?|--+\[*|#+)?\s*|\s*\*+/\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocLine:
    """A line of documentation, in the syntax and place of its language.

    Attributes:
        above: It as a comment above the signature; empty for none.
        inside: It as the first line of the body; empty for none.
    """

    above: str = ""
    inside: str = ""


def doc_line(node: Node, body: Node | None) -> DocLine:
    """Return the first line that says something in a definition's documentation.

    Args:
        node: The definition, with what belongs to it.
        body: Its body.
    """
    if body is not None and (inside := _docstring(body)):
        indent = " " * body.start_point.column
        return DocLine(inside=f'{indent}"""{inside}"""')
    first = _first_comment(node)
    if first is None:
        return DocLine()
    lines = _text(first).splitlines()
    said = next((text for line in lines if (text := _comment_text(line))), "")
    if not said:
        return DocLine()
    indent = " " * node.start_point.column
    mark = re.match(r"/\*+|//+!?|--+|#+", lines[0])
    opened = mark.group() if mark else "//"
    closed = " */" if opened.startswith("/*") else ""
    return DocLine(above=f"{indent}{opened} {said}{closed}")


def _docstring(body: Node) -> str:
    """Return the first line of a docstring; empty for none."""
    for string in body.named_children[:1]:
        for content in string.children if string.type == "string" else ():
            if content.type == "string_content":
                return _text(content).strip().partition("\n")[0][:_MOST_CHARS]
    return ""


def _first_comment(node: Node) -> Node | None:
    """Return the first of the comments directly above a definition."""
    found, above = None, node.prev_sibling
    row = node.start_point.row
    while above is not None and "comment" in above.type:
        # Some grammars count the line end as part of a comment.
        if above.end_point.row + (above.end_point.column > 0) != row:
            break
        found, row, above = above, above.start_point.row, above.prev_sibling
    return found


def _comment_text(line: str) -> str:
    """Return the text of a comment's line, without marks and tags."""
    words = _TAG.sub("", _MARKS.sub("", line)).strip()[:_MOST_CHARS]
    return words if any(char.isalnum() for char in words) else ""


def _text(node: Node) -> str:
    """Return the text of a node."""
    return (node.text or b"").decode(errors="replace")
