"""Which files of the workspace a file imports, and which of their names.

Imports are read line by line, so those of a text with mistakes are found as well. What
is not in the workspace is left out.

A regular expression holds the interpreter's lock until it is done, and with it the
event loop. So each one here takes time in proportion to the text, whatever is in it:
what repeats is possessive or bounded, and nothing is tried from each character anew.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from lsp_server.project.definitions.rust_uses import rust_uses

__all__ = ["Import", "Workspace", "imports_in"]

_MOST_IMPORTS = 200
_MOST_LOOKED_UP = 1_000
"""Each import is a few questions to the file system, also where nothing is there."""

_MOST_FILES = 40
_MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Files whose names may be used.

    Attributes:
        files: The files, relative to the workspace; the first that has a name counts.
        names: What a name here is called there; None where all names have their own.
    """

    files: tuple[PurePath, ...]
    names: Mapping[str, str] | None = None


class Workspace:
    """Looks up which files there are. It reads the file system: call it in a thread.

    Args:
        root: The workspace folder, without symbolic links.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self, *candidates: str) -> tuple[PurePath, ...]:
        """Return those of the relative paths that are files of the workspace."""
        normal = dict.fromkeys(map(os.path.normpath, candidates))
        inside = (each for each in normal if not each.startswith(("..", "/")))
        return tuple(PurePath(each) for each in inside if self._is_file(each))

    def _is_file(self, path: str) -> bool:
        """Return whether there is such a file; what is read may be no name at all."""
        try:
            return (self._root / path).is_file()
        except OSError:
            return False

    def files_in(self, folder: str, suffix: str, *, without: str = "\0") -> Import:
        """Import all files of one language in a folder."""
        normal = os.path.normpath(folder)
        if normal.startswith(("..", "/")):
            return Import(files=())
        try:
            names = sorted(each.name for each in (self._root / normal).iterdir())
        except OSError:
            return Import(files=())
        kept = (n for n in names if n.endswith(suffix) and not n.endswith(without))
        found = (PurePath(normal, name) for name in kept)
        return Import(files=tuple(found)[:_MOST_FILES])

    def above(self, folder: PurePath, name: str) -> tuple[str, str] | None:
        """Return the next folder upwards with a file of a name, and the file's text."""
        for each in (folder, *folder.parents):
            try:
                with (self._root / each / name).open(encoding="utf-8") as file:
                    return str(each), file.read(_MOST_BYTES)
            except (OSError, ValueError):
                continue
        return None


_Reader = Callable[[PurePath, str, Workspace], Iterable[Import]]


def imports_in(
    path: PurePath, text: str, language_id: str, workspace: Workspace
) -> list[Import]:
    """Return what a file imports, without what is not in the workspace.

    Args:
        path: The file, relative to the workspace.
        text: Its text, with line feeds.
        language_id: Its language; nothing is found in one that is not known here.
        workspace: Where the files are.
    """
    reader = _READERS.get(language_id)
    found: list[Import] = []
    read = reader(path, text, workspace) if reader else ()
    for each in islice(read, _MOST_LOOKED_UP):
        if len(found) == _MOST_IMPORTS:
            break
        files = tuple(file for file in each.files if file != path)
        if files:
            found.append(Import(files=files, names=each.names))
    return found


_PYTHON_FROM = re.compile(
    r"(?m)^[ \t]*from[ \t]++(\.*+)[ \t]*+(?:([\w.]*+)[ \t]++)?import[ \t]++"
    r"(\([^)]{0,2000}+\)|[^\n;#]+)"
)
_PYTHON_IMPORT = re.compile(r"(?m)^[ \t]*import[ \t]+([\w., \t]+)")


def _python(path: PurePath, text: str, workspace: Workspace) -> Iterator[Import]:
    """Read Python's imports: from the roots, ``src`` and the folders upwards."""
    roots = ["", "src", *(str(each) for each in path.parents)]

    def module(bases: Iterable[str], name: str) -> tuple[PurePath, ...]:
        tail = name.replace(".", "/")
        ends = (".py", ".pyi", "/__init__.py") if tail else ("__init__.py",)
        return workspace.files(*(f"{b or '.'}/{tail}{e}" for b in bases for e in ends))

    for dots, name, listed in _PYTHON_FROM.findall(text):
        up = str(path.parent) + "/.." * (len(dots) - 1)
        bases = [up] if dots else roots
        names = _aliases(listed.strip("() \t\n"))
        yield Import(
            files=module(bases, name), names=None if "*" in names.values() else names
        )
        for each in names.values():
            yield Import(files=module(bases, f"{name}.{each}".strip(".")))
    for listed in _PYTHON_IMPORT.findall(text):
        for each in _aliases(listed).values():
            yield Import(files=module(roots, each))


def _aliases(listed: str, word: str = "as") -> dict[str, str]:
    """Return what each name of a list such as ``a, b as c`` is called at its origin."""
    found = {}
    for part in re.sub(r"#[^\n]*", "", listed).replace("\n", " ").split(","):
        original, _, alias = part.strip().partition(f" {word} ")
        if original:
            found[alias.strip() or original] = original.strip()
    return found


_JAVASCRIPT = re.compile(
    r"""\bfrom\s*+['"](\.[^'"\n]*+)['"]"""
    r"""|=\s*+(?:await\s++)?(?:require|import)\(\s*+['"](\.[^'"\n]*+)['"]"""
)
_JAVASCRIPT_START = re.compile(r"""(['";]|\b(?:import|export)\b)""")
_MOST_NAMES_CHARS = 2_000
"""What is imported stands so far before the module's name at most."""

_SCRIPTS = ("ts", "tsx", "js", "jsx", "mjs", "cjs", "d.ts", "vue", "svelte")
_SCRIPT_ENDS = tuple(f".{each}" for each in _SCRIPTS)


def _javascript(path: PurePath, text: str, workspace: Workspace) -> Iterator[Import]:
    """Read the relative imports of JavaScript and TypeScript."""
    for match in _JAVASCRIPT.finditer(text):
        before = text[max(0, match.start() - _MOST_NAMES_CHARS) : match.start()]
        static, required = match.groups()
        if static is not None:
            *_, start, bound = ["", *_JAVASCRIPT_START.split(before)]
            if start not in {"import", "export"}:
                continue
        else:
            bound = re.split(r"[^\w{},:\s]", before)[-1].replace(":", " as ")
        base = f"{path.parent}/{static or required}"
        # TypeScript names the file that will be made of it.
        stems = [base, re.sub(r"\.[cm]?jsx?$", "", base)]
        ends = (*_SCRIPT_ENDS, *(f"/index{each}" for each in _SCRIPT_ENDS))
        files = workspace.files(base, *(f"{s}{e}" for s in stems for e in ends))
        _, brace, listed = bound.partition("{")
        names = _aliases(listed.partition("}")[0].replace("type ", ""))
        is_all = not brace or "*" in bound
        yield Import(files=files[:1], names=None if is_all else names)


_GO = re.compile(r'(?m)^[ \t]*import[ \t]*+(?:\(([^)]{0,8000}+)\)|[^"\n]*+"([^"\n]+)")')


def _go(path: PurePath, text: str, workspace: Workspace) -> Iterator[Import]:
    """Read Go's imports of the same module; a package sees its own files."""
    yield workspace.files_in(str(path.parent), ".go", without="_test.go")
    module = workspace.above(path.parent, "go.mod")
    named = re.search(r"(?m)^module[ \t]+(\S+)", module[1]) if module else None
    if module is None or named is None:
        return
    for block, single in _GO.findall(text):
        for package in re.findall(r'"([^"\n]+)"', block) if block else [single]:
            if f"{package}/".startswith(f"{named.group(1)}/"):
                inside = package.removeprefix(named.group(1))
                folder = f"{module[0]}/{inside}"
                yield workspace.files_in(folder, ".go", without="_test.go")


_JAVA = re.compile(r"(?m)^[ \t]*import[ \t]+(static[ \t]+)?([\w.]+?)(\.\*)?[ \t]*;")
_JAVA_PACKAGE = re.compile(r"(?m)^[ \t]*package[ \t]+([\w.]+)")


def _java(path: PurePath, text: str, workspace: Workspace) -> Iterator[Import]:
    """Read Java's imports from the source roots; a package sees its own files."""
    folder = path.parent.as_posix()
    package = _JAVA_PACKAGE.search(text)
    own = package.group(1).replace(".", "/") if package else ""
    base = folder.removesuffix(own).rstrip("/") or "."
    bases = dict.fromkeys([base, base.replace("/test/", "/main/"), "src/main/java"])
    for static, name, star in _JAVA.findall(text):
        inside = name.replace(".", "/")
        if star and not static:
            yield from (workspace.files_in(f"{b}/{inside}", ".java") for b in bases)
            continue
        if static and not star:
            inside = inside.rpartition("/")[0]
        files = workspace.files(*(f"{each}/{inside}.java" for each in bases))
        last = name.rpartition(".")[2]
        yield Import(files=files, names=None if static else {last: last})
    yield from (workspace.files_in(f"{each}/{own}", ".java") for each in bases)


def _c(path: PurePath, text: str, workspace: Workspace) -> Iterator[Import]:
    """Read what C and C++ include, and the header of the file itself."""
    bases = [str(path.parent), ".", "include", "src", f"{path.parent}/../include"]
    for name in re.findall(r'(?m)^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)', text):
        yield Import(files=workspace.files(*(f"{each}/{name}" for each in bases))[:1])
    ends = (".h", ".hpp", ".hh", ".hxx")
    yield Import(files=workspace.files(*(str(path.with_suffix(end)) for end in ends)))


def _csharp(path: PurePath, _text: str, workspace: Workspace) -> Iterator[Import]:
    """Yield the files of the same folder: a C# namespace names no file."""
    yield workspace.files_in(str(path.parent), ".cs")


def _lua(path: PurePath, text: str, workspace: Workspace) -> Iterator[Import]:
    """Read what Lua requires."""
    bases = (".", "lua", "src", str(path.parent))
    for name in re.findall(r"""require\s*+\(?\s*+['"]([\w./-]+)['"]""", text):
        tail = name.replace(".", "/")
        ends = (f"{tail}.lua", f"{tail}/init.lua")
        files = workspace.files(*(f"{base}/{end}" for base in bases for end in ends))
        yield Import(files=files[:1])


_SHELL = re.compile(
    r"""(?m)^[ \t]*(?:source|\.)[ \t]+["']?"""
    r"""(?:[^\n;&|]*[)}]/|\$\w+/)?([\w./-]+)""",
    re.MULTILINE,
)


def _shell(path: PurePath, text: str, workspace: Workspace) -> Iterator[Import]:
    """Read what a shell script sources, from its folder and the workspace's."""
    for name in _SHELL.findall(text):
        yield Import(files=workspace.files(f"{path.parent}/{name}", name)[:1])


def _rust(path: PurePath, text: str, workspace: Workspace) -> Iterator[Import]:
    """Read what Rust uses of the same crate, and its modules in other files."""
    crate = workspace.above(path.parent, "Cargo.toml")
    source = f"{crate[0] if crate else '.'}/src"
    for candidates, names in rust_uses(path, text, source):
        yield Import(files=workspace.files(*candidates)[:1], names=names)


_READERS: Mapping[str, _Reader] = {
    "c": _c,
    "cpp": _c,
    "csharp": _csharp,
    "cuda-cpp": _c,
    "go": _go,
    "java": _java,
    "javascript": _javascript,
    "javascriptreact": _javascript,
    "lua": _lua,
    "python": _python,
    "rust": _rust,
    "shellscript": _shell,
    "typescript": _javascript,
    "typescriptreact": _javascript,
}
