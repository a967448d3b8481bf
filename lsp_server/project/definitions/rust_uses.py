"""Where what a Rust file uses of its own crate may be."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath

__all__ = ["rust_uses"]

_USE = re.compile(r"(?m)^[ \t]*(?:pub(?:\([^)\n]*+\))?[ \t]++)?use[ \t]++")
_MODULE = re.compile(
    r"(?m)^[ \t]*(?:pub(?:\([^)\n]*+\))?[ \t]++)?mod[ \t]++(\w+)[ \t]*;"
)
_MOST_DEPTH = 8
_MOST_TREE_CHARS = 4_000


def rust_uses(
    path: PurePath, text: str, source: str
) -> Iterator[tuple[list[str], Mapping[str, str] | None]]:
    """Yield the files that a use may be in, and what its name here is called there.

    Args:
        path: The file, relative to the workspace.
        text: Its text.
        source: The folder of the crate's source, relative to the workspace.

    Yields:
        Candidates, the most likely first, and the names as `Import` has them.
    """
    is_folder = path.stem in {"lib", "main", "mod"}
    own = str(path.parent if is_folder else path.with_suffix(""))
    for name in _MODULE.findall(text):
        yield _files(f"{own}/{name}"), None
    for match in _USE.finditer(text):
        behind = text[match.end() : match.end() + _MOST_TREE_CHARS]
        tree, end, _ = behind.partition(";")
        if not end:
            continue
        for used in _flat("".join(re.sub(r"//[^\n]*", "", tree).split("\n")), 0):
            parts, _, alias = used.partition(" as ")
            first, *rest = [part.strip() for part in parts.split("::") if part.strip()]
            bases = {"crate": source, "self": own, "super": f"{own}/.."}
            base = bases.get(first)
            while base is not None and rest and rest[0] == "super":
                base, rest = f"{base}/..", rest[1:]
            if base is None or not rest:
                continue
            *modules, last = rest
            inside = "/".join([base, *modules])
            if last in {"*", "self"}:
                yield _files(inside), None
                continue
            yield _files(f"{inside}/{last}"), None
            yield _files(inside), {alias.strip() or last: last}


def _files(module: str) -> list[str]:
    """Return the files that a module may be in."""
    return [f"{module}{end}" for end in (".rs", "/mod.rs", "/lib.rs", "/main.rs")]


def _flat(tree: str, depth: int) -> Iterator[str]:
    """Yield the paths of a use tree such as ``a::{b, c::{d, e as f}}``."""
    head, brace, rest = tree.partition("{")
    if not brace or depth > _MOST_DEPTH:
        yield tree.strip()
        return
    level, part = 0, ""
    for char in rest:
        level += (char == "{") - (char == "}")
        if level < 0 or (char == "," and level == 0):
            if part.strip():
                yield from _flat(head.strip() + part.strip(), depth + 1)
            part = ""
        else:
            part += char
        if level < 0:
            return
