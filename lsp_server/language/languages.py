r"""The languages with lexical rules, and the names that editors give them.

No expression here may match a line end, except where it has to: a literal ends at its
line unless it says otherwise.

Source: the languages' own specifications; a test holds each rule against the grammars
of tree-sitter.
"""

from dataclasses import replace
from types import MappingProxyType

from lsp_server.language.braces import (
    C_FAMILY,
    CPP,
    CSHARP,
    CSS,
    GO,
    JAVA,
    JAVASCRIPT,
    KOTLIN,
    PHP,
    RUST,
    SCSS,
    SWIFT,
)
from lsp_server.language.grammar import (
    DOUBLE,
    HASH,
    SINGLE,
    SLASH_STAR,
    SLASHES,
    TRIPLE_DOUBLE,
    TRIPLE_SINGLE,
    Ending,
    Kind,
    Language,
    LineEnd,
    Literal,
    with_code,
)
from lsp_server.language.scripts import LUA, PERL, RUBY, SHELL

__all__ = ["language_of"]

_HASH_BEHIND_BLANK = replace(HASH, opens=r"(?<!\S)#")

_F_STRING = r"(?:(?<=[fFtT])|(?<=[fFtT][rR]))"
_PYTHON = Language(
    name="python",
    line_comment="#",
    literals=(
        HASH,
        with_code(TRIPLE_DOUBLE, f'{_F_STRING}"""'),
        with_code(TRIPLE_SINGLE, f"{_F_STRING}'''"),
        with_code(DOUBLE, f'{_F_STRING}"'),
        with_code(SINGLE, f"{_F_STRING}'"),
        TRIPLE_DOUBLE,
        TRIPLE_SINGLE,
        DOUBLE,
        SINGLE,
    ),
    head=":",
    statement=r"[^\W\d]|@|[ \t]+(?:assert|break|class|continue|def|del|elif|except"
    r"|finally|global|import|nonlocal|pass|raise|return|try|while|with)\b",
    indents_blocks=True,
)

_SQL = Language(
    name="sql",
    line_comment="--",
    literals=(
        replace(SLASHES, opens="--"),
        SLASH_STAR,
        Literal(
            kind=Kind.STRING, opens="'", closes="'", escapes=("''",), spans_lines=True
        ),
        Literal(kind=Kind.STRING, opens='"', closes='"', escapes=('""',)),
        Literal(kind=Kind.STRING, opens="`", closes="`"),
        Literal(
            kind=Kind.STRING,
            # Behind a blank or a line end stands a function's body, which is code.
            opens=r"\$(?P<tag>(?:[A-Za-z_]\w*)?)\$(?=[^\s;,)])",
            closes="${tag}$",
            spans_lines=True,
        ),
    ),
    brackets=("()", "[]"),
    line_end=LineEnd.BLANK,
    head=r"\(",
)
_YAML_BEGUN = r"(?:^|^[-?]\s|\s[-?]\s|[\[{,:])\s*(?:[!&]\S*\s+)*\Z"
"""Behind what a value begins: farther right a quote is a character like any other."""

_YAML = Language(
    name="yaml",
    line_comment="#",
    literals=(
        _HASH_BEHIND_BLANK,
        replace(DOUBLE, behind=_YAML_BEGUN, spans_lines=True),
        Literal(
            kind=Kind.STRING,
            opens="'",
            behind=_YAML_BEGUN,
            closes="'",
            escapes=("''",),
            spans_lines=True,
        ),
        Literal(
            kind=Kind.HEREDOC,
            opens=r"(?<=[ \t])[|>][-+0-9]{0,2}(?=[ \t]*(?:[ \t]#.*)?\n)",
            ending=Ending.DEDENT,
            spans_lines=True,
        ),
    ),
    brackets=("[]", "{}"),
    line_end=LineEnd.STATEMENT,
    head=r":|:[ \t]+[|>][-+0-9]{0,2}",
    indents_blocks=True,
)
_TOML = Language(
    name="toml",
    line_comment="#",
    literals=(
        HASH,
        TRIPLE_DOUBLE,
        replace(TRIPLE_SINGLE, escapes=()),
        DOUBLE,
        replace(SINGLE, escapes=()),
    ),
    brackets=("[]", "{}"),
    line_end=LineEnd.STATEMENT,
    head="",
)
_JSON = Language(
    name="json",
    literals=(DOUBLE,),
    brackets=("[]", "{}"),
    line_end=LineEnd.BLANK,
)
_JSONC = replace(
    _JSON,
    name="jsonc",
    line_comment="//",
    literals=(SLASHES, SLASH_STAR, DOUBLE),
)
_MARKUP = Language(
    name="html",
    literals=(
        Literal(kind=Kind.COMMENT, opens="<!--", closes="-->", spans_lines=True),
        Literal(kind=Kind.STRING, opens='(?<==)"', closes='"', spans_lines=True),
        Literal(kind=Kind.STRING, opens="(?<==)'", closes="'", spans_lines=True),
    ),
    brackets=(),
    line_end=LineEnd.BLANK,
    # An element without an end tag holds nothing.
    head=r"<(?!(?i:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)"
    r"[A-Za-z][^<>]*(?<!/)>",
)
_MAKEFILE = Language(
    name="makefile",
    line_comment="#",
    literals=(_HASH_BEHIND_BLANK,),
    brackets=("()", "{}"),
    line_end=LineEnd.STATEMENT,
    skips=r"\\.",
    head=r"^[^\t#=][^#=]*:[^=]*",
    indents_blocks=True,
    prefers_tabs=True,
    has_stray_closers=True,
)
_DOCKERFILE = Language(
    name="dockerfile",
    line_comment="#",
    literals=(
        replace(HASH, opens=r"(?m:^)[ \t]*#"),
        *(each for each in SHELL.literals if each.kind is not Kind.COMMENT),
    ),
    skips=SHELL.skips,
    line_end=LineEnd.STATEMENT,
    head="",
    has_stray_closers=True,
)
_PROSE = Language(
    name="prose",
    brackets=(),
    head="",
    line_end=LineEnd.STATEMENT,
    is_prose=True,
)

_IDS = (
    (_PYTHON, "python py python3 starlark bazel bzl"),
    (
        JAVASCRIPT,
        "javascript js javascriptreact jsx mjs js2 typescript ts typescriptreact tsx",
    ),
    (GO, "go golang go-ts"),
    (RUST, "rust rustic rs rust-ts"),
    (JAVA, "java groovy java-ts"),
    (C_FAMILY, "c c-ts objective-c objc"),
    (CPP, "cpp c++ cuda cuda-cpp c++-ts objective-cpp objcpp"),
    (CSHARP, "csharp c_sharp cs c# csharp-ts"),
    (KOTLIN, "kotlin"),
    (SWIFT, "swift"),
    (PHP, "php"),
    (LUA, "lua luau lua-ts"),
    (SHELL, "shellscript sh bash zsh ksh shell bash-ts dash shell-script"),
    (RUBY, "ruby ruby-ts"),
    (PERL, "perl cperl"),
    (_SQL, "sql mysql postgres pgsql plsql sqlite"),
    (_YAML, "yaml yml yaml-ts docker-compose dockercompose github-actions-workflow"),
    (_TOML, "toml conf-toml toml-ts"),
    (_JSON, "json json-ts"),
    (_JSONC, "jsonc json5 jsonl"),
    (_MARKUP, "html xml xhtml vue svelte svg htmldjango mhtml html-ts"),
    (CSS, "css css-ts"),
    (SCSS, "scss less sass"),
    (_MAKEFILE, "makefile make makefile-gmake"),
    (_DOCKERFILE, "dockerfile docker dockerfile-ts"),
)
_BY_ID = MappingProxyType(
    {language_id: language for language, ids in _IDS for language_id in ids.split()}
)


def language_of(language_id: str) -> Language:
    """Return the language that an editor calls ``language_id``.

    A language without rules here is prose: nothing is known of it, so nothing in it is
    taken for a bracket, a string or a comment.
    """
    name = language_id.lower().removesuffix("-mode")
    return _BY_ID.get(name, _PROSE)
