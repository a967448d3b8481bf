"""Bounds the values of labels, so that no client can make a new time series.

Each distinct value costs memory here and in Prometheus for as long as either runs.
"""

__all__ = ["OTHER", "KnownModels", "language_label"]

OTHER = "other"
"""The label of every model and language that is not known."""

_LANGUAGE_IDS = """
    abap ada asm astro awk bat bibtex c clojure cmake cobol coffeescript cpp csharp css
    cuda-cpp cython d dart diff dockerfile elixir elm erlang fortran fsharp git-commit
    gitcommit gleam glsl go gomod graphql groovy haml handlebars haskell hcl html ini
    jade java javascript javascriptreact json jsonc jsonnet jsx julia just kotlin latex
    less lisp lua make makefile markdown matlab meson mojo nim nix objective-c
    objective-cpp ocaml odin org pascal perl perl6 php plaintext powershell prolog
    properties proto proto3 protobuf pug purescript python r racket raku razor
    restructuredtext rst ruby rust sass scala scheme scss sh shaderlab shellscript slim
    solidity sql
    starlark stylus svelte swift systemverilog tcl terraform tex text toml tsx twig
    typescript typescriptreact typst v vala vb verilog vhdl vim viml vue wgsl xml xsl
    yaml zig zsh
"""
_LANGUAGES = frozenset(_LANGUAGE_IDS.split())
"""The ids of LSP's table of languages, and those that Vim, Neovim and Emacs send.

Source: Language Server Protocol 3.18, "Text Documents".
"""


def language_label(language: str) -> str:
    """Return the label of a language id, whose case does not matter."""
    lowered = language.lower()
    return lowered if lowered in _LANGUAGES else OTHER


class KnownModels:
    """The models that this process has run an engine for, at most so many.

    Args:
        most: How many are distinguished.
    """

    def __init__(self, most: int = 16) -> None:
        """Know none."""
        self._most = most
        self._names: set[str] = set()

    def add(self, model: str) -> bool:
        """Note a model; return whether it is new to the labels."""
        if model in self._names or not model or len(self._names) >= self._most:
            return False
        self._names.add(model)
        return True

    def label(self, model: str) -> str:
        """Return the label of a model."""
        return model if model in self._names else OTHER
