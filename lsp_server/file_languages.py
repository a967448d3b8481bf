"""The language of a file, by its name and its first line."""

import re
from collections.abc import Mapping
from pathlib import PurePath

__all__ = ["language_id_of"]

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
