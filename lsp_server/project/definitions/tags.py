"""The definitions in a file, and how they are declared, from its syntax tree.

A text with mistakes has a tree as well: what is whole in it is found.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import PurePath

from tree_sitter import Language, Node, Parser, Query, QueryCursor
from tree_sitter_language_pack import get_language

from lsp_server.file_languages import language_id_of
from lsp_server.project.definitions.doc_lines import doc_line
from lsp_server.project.definitions.tag_queries import (
    AROUND_DECLARATORS,
    DECLARATOR,
    DECLARED,
    GRAMMARS,
    LISTS,
    QUERIES,
    WRAPPERS,
)

__all__ = ["Definition", "defined_names", "definitions_in"]

_MOST_BYTES = 1 << 20
_PIECE_BYTES = 1 << 15
_MOST_DEPTH = 2_000
_MOST_S = 0.25
_MOST_SIGNATURE_LINES = 8
_MOST_TYPE_LINES = 24
_MOST_MEMBERS = 40
_MOST_CHARS = 1_500

_KINDS = ("function", "class", "type", "field", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A name that a file defines for others.

    Attributes:
        name: The name.
        kind: ``function``, ``class``, ``type``, ``field`` or ``value``.
        line: The line it begins in, counted from 0.
        owner: The class or type it is a member of; empty for none.
        text: How it is declared: its signature with the first line of its
            documentation, and of a class those of its members; without code.
    """

    name: str
    kind: str
    line: int
    owner: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tag:
    """A match of the query.

    Attributes:
        name: The name that is defined.
        kind: What it is.
        node: The whole definition.
        body: Its body, where it has one.
        owner: The class it is a member of; empty for none.
        is_outside: Whether it is a member that stands outside of its class.
    """

    name: str
    kind: str
    node: Node
    body: Node | None
    owner: str
    is_outside: bool


def definitions_in(text: str, language_id: str) -> tuple[Definition, ...]:
    """Return what a text defines, in its order; nothing in an unknown language.

    A megabyte takes a tenth of a second; what takes a quarter has none. Other threads
    wait for a few milliseconds at a time.
    """
    data = text.encode(errors="replace")
    if language_id not in GRAMMARS or len(data) > _MOST_BYTES:
        return ()
    language, queries = _grammar(GRAMMARS[language_id])
    until_s = time.monotonic() + _MOST_S

    def is_late(*_state: object) -> bool:
        return time.monotonic() > until_s

    try:
        # Bytes are parsed in one go, without asking whether it is late.
        tree = Parser(language).parse(
            lambda at, _point: data[at : at + _PIECE_BYTES], progress_callback=is_late
        )
    except ValueError:
        return ()
    if _is_deep(tree.root_node):
        return ()
    # A query holds the interpreter's lock until its end.
    matches, cursors = [], [QueryCursor(query) for query in queries]
    for start in range(0, len(data), _PIECE_BYTES):
        for cursor in cursors:
            cursor.set_byte_range(start, start + _PIECE_BYTES)
            matches += cursor.matches(tree.root_node)
        if is_late():
            return ()
    tags = _visible(_tags(matches))
    members: dict[str, list[_Tag]] = {}
    for tag in tags:
        members.setdefault(tag.owner, []).append(tag)
    return tuple(
        Definition(
            name=tag.name,
            kind=tag.kind,
            line=_outer(tag.node).start_point.row,
            owner=tag.owner,
            text=_text(tag, _members(tag, members), data),
        )
        for tag in tags
    )


def defined_names(path: PurePath, text: str) -> frozenset[str]:
    """Return the names that a file defines and others may look up."""
    found = definitions_in(text, language_id_of(path, text))
    return frozenset(each.name for each in found if each.kind != "field")


@cache
def _grammar(name: str) -> tuple[Language, tuple[Query, ...]]:
    """Load a grammar, with its queries."""
    # The package's own type lists the names; a test holds the table against it.
    language = get_language(name)  # type: ignore[arg-type]
    return language, tuple([Query(language, source) for source in QUERIES[name]])


def _is_deep(root: Node) -> bool:
    """Return whether a tree is so deep that a query would take seconds.

    Sums of thousands of terms are. So are errors with thousands of parts, such as
    brackets that are never closed.
    """
    for node in (root, *root.children):
        if node.is_error and node.child_count > _MOST_DEPTH:
            return True
    for node in root.children:
        if node.descendant_count <= _MOST_DEPTH:
            continue
        cursor = node.walk()
        is_inside = True
        while is_inside:
            if cursor.depth > _MOST_DEPTH:
                return True
            if not cursor.goto_first_child():
                while is_inside and not cursor.goto_next_sibling():
                    is_inside = cursor.goto_parent()
    return False


def _tags(matches: Sequence[tuple[int, Mapping[str, list[Node]]]]) -> list[_Tag]:
    """Return one tag for each definition, in the order of the text."""
    found: dict[tuple[int, str], _Tag] = {}
    for _, captures in matches:
        for kind in _KINDS:
            for node in captures.get(kind, ()):
                names = captures.get("name", ())
                bodies, owners = captures.get("body", ()), captures.get("owner", ())
                whole = _declared(node) if node.type == DECLARATOR else node
                if not names or whole is None:
                    continue
                body = None if whole is node else whole.child_by_field_name("body")
                tag = _Tag(
                    name=_spelt(names[0]),
                    kind=kind,
                    node=whole,
                    body=bodies[0] if bodies else body,
                    owner=_spelt(owners[0]) if owners else "",
                    is_outside=bool(owners),
                )
                known = found.get((whole.id, tag.name))
                if known is None or _KINDS.index(kind) < _KINDS.index(known.kind):
                    found[whole.id, tag.name] = tag
    return sorted(found.values(), key=lambda tag: tag.node.start_byte)


def _declared(declarator: Node) -> Node | None:
    """Return what a C declarator declares; None for a parameter or a type."""
    whole = declarator.parent
    while whole is not None and whole.type in AROUND_DECLARATORS:
        whole = whole.parent
    return whole if whole is not None and whole.type in DECLARED else None


def _visible(tags: Sequence[_Tag]) -> list[_Tag]:
    """Leave out what is local to a function, and find the owners of the rest."""
    around: list[_Tag] = []
    visible = []
    for tag in sorted(tags, key=lambda tag: (tag.node.start_byte, -tag.node.end_byte)):
        while around and around[-1].node.end_byte <= tag.node.start_byte:
            around.pop()
        if all(each.kind != "function" for each in around):
            owner = tag.owner or next(
                (each.name for each in reversed(around) if each.kind == "class"), ""
            )
            visible.append(replace(tag, owner=owner))
        around.append(tag)
    return visible


def _members(tag: _Tag, members: Mapping[str, Sequence[_Tag]]) -> Sequence[_Tag]:
    """Return the members of a class or type that are shown with it."""
    if tag.kind not in {"class", "type"}:
        return ()
    node = tag.node
    of_name = members.get(tag.name, ())
    inside = [
        each
        for each in of_name
        if node.start_byte <= each.node.start_byte < node.end_byte
    ]
    return inside or [each for each in of_name if each.is_outside]


def _text(tag: _Tag, members: Sequence[_Tag], data: bytes) -> str:
    """Return how a definition is declared."""
    lines = _signature(tag, data)
    doc = doc_line(_outer(tag.node), tag.body)
    if doc.above:
        lines.insert(0, doc.above)
    if doc.inside:
        lines.append(doc.inside)
    braces = tag.kind == "class" and tag.body is not None and _has_braces(tag.body)
    if braces:
        lines[-1] += " {"
    shown = (_signature(each, data) for each in members[:_MOST_MEMBERS])
    size = 0
    for line in chain.from_iterable(shown):
        size += len(line) + 1
        if size > _MOST_CHARS:
            break
        lines.append(line)
    return "\n".join([*lines, "}"] if braces else lines)


def _signature(tag: _Tag, data: bytes) -> list[str]:
    """Return the lines of a definition without its body, indented as they are."""
    outer = _outer(tag.node)
    end = outer.end_byte if tag.body is None else tag.body.start_byte
    start = outer.start_byte
    margin = data.rfind(b"\n", 0, start) + 1
    if not data[margin:start].strip():
        start = margin
    lines = data[start:end].decode(errors="replace").rstrip().splitlines()
    if tag.kind in {"field", "value"}:
        most = 1
    else:
        most = _MOST_TYPE_LINES if tag.kind == "type" else _MOST_SIGNATURE_LINES
    return [line[:_MOST_CHARS] for line in lines[:most]] or [tag.name]


def _outer(node: Node) -> Node:
    """Return a definition with what belongs to it, ``export`` for example."""
    while (parent := node.parent) is not None:
        is_only = parent.named_child_count == 1 and (
            parent.start_point.row == node.start_point.row
        )
        if parent.type not in WRAPPERS and not (parent.type in LISTS and is_only):
            break
        node = parent
    return node


def _has_braces(body: Node) -> bool:
    """Return whether a body stands in braces."""
    return any(child.type == "{" for child in body.children[:1])


def _spelt(node: Node) -> str:
    """Return the text of a node."""
    return (node.text or b"").decode(errors="replace")
