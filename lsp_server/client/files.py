"""The documents that a headless client has open, and what it says about them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from lsprotocol import types

from lsp_server.errors import ClientError
from lsp_server.protocol.convert import range_at
from lsp_server.protocol.lines import PositionEncoding

__all__ = ["OpenFile", "language_id_of", "read_source"]


def read_source(path: Path) -> str:
    """Read a source file as an editor does.

    Line ends stay as they are. A byte order mark is no part of the text: editors
    leave it out, and count columns without it.

    Raises:
        ClientError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise ClientError(
            f"the file cannot be read ({exc.strerror})",
            subject=str(path),
            remedy="Name a file that exists",
        ) from exc
    except UnicodeDecodeError as exc:
        raise ClientError(
            f"the file is not UTF-8 (byte {exc.start})",
            subject=str(path),
            remedy="Completions need a text file in UTF-8",
        ) from exc


@dataclass(slots=True, kw_only=True)
class OpenFile:
    """A document that is open in the client.

    Attributes:
        uri: Its URI.
        language_id: Its language, as LSP names it.
        text: Its text at the moment.
        version: Counts the edits, from 1.
    """

    uri: str
    language_id: str
    text: str
    version: int = 1

    def item(self) -> types.TextDocumentItem:
        """Describe it as it stands, as LSP does."""
        return types.TextDocumentItem(
            uri=self.uri,
            language_id=self.language_id,
            version=self.version,
            text=self.text,
        )

    def edit(
        self, start: int, end: int, text: str, encoding: PositionEncoding
    ) -> types.DidChangeTextDocumentParams:
        """Replace the text between two offsets, and return what a server is told."""
        replaced = range_at(self.text, start, end, encoding)
        self.text = self.text[:start] + text + self.text[end:]
        self.version += 1
        return types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(
                uri=self.uri, version=self.version
            ),
            content_changes=[
                types.TextDocumentContentChangePartial(range=replaced, text=text)
            ],
        )


_UNKNOWN = "plaintext"

_BY_NAME: Mapping[str, str] = {
    "cmakelists.txt": "cmake",
    "containerfile": "dockerfile",
    "dockerfile": "dockerfile",
    "gemfile": "ruby",
    "gnumakefile": "makefile",
    "jenkinsfile": "groovy",
    "makefile": "makefile",
    "rakefile": "ruby",
    "sconstruct": "python",
    "sconscript": "python",
}

_SUFFIXES: Mapping[str, str] = {
    "bat": ".bat .cmd",
    "bibtex": ".bib",
    "c": ".c .h",
    "clojure": ".clj .cljc .cljs .edn",
    "cmake": ".cmake",
    "cpp": ".cc .cpp .cxx .c++ .hh .hpp .hxx .h++ .inl .ipp",
    "csharp": ".cs .csx",
    "css": ".css",
    "cuda-cpp": ".cu .cuh",
    "d": ".d",
    "dart": ".dart",
    "diff": ".diff .patch",
    "dockerfile": ".dockerfile",
    "elixir": ".ex .exs",
    "erlang": ".erl .hrl",
    "fsharp": ".fs .fsi .fsx",
    "go": ".go",
    "groovy": ".gradle .groovy",
    "haskell": ".hs",
    "html": ".htm .html .xhtml",
    "ini": ".cfg .conf .ini",
    "java": ".java",
    "javascript": ".cjs .js .mjs",
    "javascriptreact": ".jsx",
    "json": ".json .webmanifest",
    "jsonc": ".jsonc",
    "julia": ".jl",
    "kotlin": ".kt .kts",
    "latex": ".latex .ltx .tex",
    "less": ".less",
    "lua": ".lua",
    "makefile": ".mak .mk",
    "markdown": ".markdown .md",
    "nix": ".nix",
    "objective-c": ".m",
    "objective-cpp": ".mm",
    "ocaml": ".ml .mli",
    "pascal": ".pas",
    "perl": ".pl .pm",
    "php": ".php",
    "powershell": ".ps1 .psd1 .psm1",
    "proto3": ".proto",
    "python": ".py .pyi .pyw",
    "r": ".r",
    "restructuredtext": ".rst",
    "ruby": ".rb",
    "rust": ".rs",
    "sass": ".sass",
    "scala": ".sbt .scala",
    "scss": ".scss",
    "shellscript": ".bash .ksh .sh .zsh",
    "sql": ".sql",
    "svelte": ".svelte",
    "swift": ".swift",
    "terraform": ".tf .tfvars",
    "toml": ".toml",
    "typescript": ".cts .mts .ts",
    "typescriptreact": ".tsx",
    "vb": ".vb",
    "vue": ".vue",
    "xml": ".svg .xml .xsd .xsl",
    "yaml": ".yaml .yml",
    "zig": ".zig",
}

_BY_SUFFIX: Mapping[str, str] = {
    suffix: language
    for language, suffixes in _SUFFIXES.items()
    for suffix in suffixes.split()
}

_INTERPRETER = re.compile(r"#!\s*\S*?(?:/env(?:\s+-\S+)*\s+\S*?)?(\w+?)[\d.]*(?:\s|$)")

_BY_INTERPRETER: Mapping[str, str] = {
    "bash": "shellscript",
    "dash": "shellscript",
    "ksh": "shellscript",
    "lua": "lua",
    "node": "javascript",
    "perl": "perl",
    "php": "php",
    "python": "python",
    "ruby": "ruby",
    "sh": "shellscript",
    "zsh": "shellscript",
}


def language_id_of(path: PurePath, text: str = "") -> str:
    """Return LSP's identifier of the language of a file.

    Args:
        path: The file's name decides, whatever its case.
        text: Its content; the interpreter in the first line (``#!``) decides where
            the name does not.

    Returns:
        The identifier; ``plaintext`` where nothing tells the language.
    """
    name = path.name.lower()
    known = _BY_NAME.get(name) or _BY_SUFFIX.get(path.suffix.lower())
    if known is None and name.startswith(("dockerfile.", "makefile.")):
        known = _BY_NAME[name.partition(".")[0]]
    if known is None and (interpreter := _INTERPRETER.match(text)):
        known = _BY_INTERPRETER.get(interpreter.group(1))
    return known or _UNKNOWN
