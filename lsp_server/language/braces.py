"""The languages whose blocks stand in braces."""

from dataclasses import replace

from lsp_server.language.grammar import (
    BACKSLASH,
    CHARACTER,
    DOUBLE,
    HASH,
    REGEX,
    SINGLE,
    SLASH_STAR,
    SLASHES,
    TRIPLE_DOUBLE,
    Ending,
    Kind,
    Language,
    LineEnd,
    Literal,
    with_code,
)

__all__ = [
    "CPP",
    "CSHARP",
    "CSS",
    "C_FAMILY",
    "GO",
    "JAVA",
    "JAVASCRIPT",
    "KOTLIN",
    "PHP",
    "RUST",
    "SCSS",
    "SWIFT",
]

JAVASCRIPT = Language(
    name="javascript",
    line_comment="//",
    literals=(
        # Text of JSX holds addresses and apostrophes.
        replace(SLASHES, opens="(?<!:)//"),
        SLASH_STAR,
        Literal(
            kind=Kind.STRING,
            opens="`",
            closes="`",
            escapes=BACKSLASH,
            spans_lines=True,
            inside=(("${", "}"),),
        ),
        DOUBLE,
        replace(SINGLE, opens=r"(?<!\w)'"),
        # Behind `a!`, as TypeScript says that there is something, it divides; and `/>`
        # ends a tag, unless a value has to come.
        replace(REGEX, opens=r"(?<![\w)\]]!)(?<![\w)\]]! )/(?!>)"),
        replace(REGEX, opens=r"(?:(?<=[:(,=\[])|(?<=[:(,=\[] ))/(?=>)"),
    ),
)

C_FAMILY = Language(
    name="c",
    line_comment="//",
    literals=(
        SLASHES,
        SLASH_STAR,
        DOUBLE,
        # Between digits it is a separator.
        replace(CHARACTER, opens=r"(?:(?<!\w)|(?<![0-9a-fA-F])(?<=[LuU8]))'"),
    ),
)
CPP = replace(
    C_FAMILY,
    name="cpp",
    literals=(
        Literal(
            kind=Kind.STRING,
            opens=r'R"(?P<tag>[^()\\\s"]{0,16})\(',
            closes='){tag}"',
            spans_lines=True,
        ),
        *C_FAMILY.literals,
    ),
)
JAVA = replace(
    C_FAMILY,
    name="java",
    literals=(SLASHES, SLASH_STAR, TRIPLE_DOUBLE, DOUBLE, CHARACTER),
)
CSHARP = replace(
    JAVA,
    name="csharp",
    literals=(
        SLASHES,
        SLASH_STAR,
        Literal(
            kind=Kind.STRING, opens='(?P<tag>"{3,})', closes="{tag}", spans_lines=True
        ),
        Literal(
            kind=Kind.STRING,
            opens=r'(?:\$@|@\$)"',
            closes='"',
            escapes=('""', r"\{\{|\}\}"),
            spans_lines=True,
            inside=(("{", "}"),),
        ),
        Literal(
            kind=Kind.STRING,
            opens='@"',
            closes='"',
            escapes=('""',),
            spans_lines=True,
        ),
        with_code(DOUBLE, r'\$"'),
        DOUBLE,
        CHARACTER,
    ),
)
KOTLIN = replace(
    JAVA,
    name="kotlin",
    literals=(
        SLASHES,
        SLASH_STAR,
        replace(TRIPLE_DOUBLE, escapes=(), inside=(("${", "}"),)),
        replace(DOUBLE, inside=(("${", "}"),)),
        CHARACTER,
    ),
)
SWIFT = replace(
    JAVA,
    name="swift",
    literals=(
        SLASHES,
        SLASH_STAR,
        replace(TRIPLE_DOUBLE, escapes=(r"\\(?!\()[\s\S]",), inside=((r"\(", ")"),)),
        replace(DOUBLE, escapes=(r"\\(?!\()[\s\S]",), inside=((r"\(", ")"),)),
    ),
)
GO = replace(
    C_FAMILY,
    name="go",
    literals=(
        SLASHES,
        SLASH_STAR,
        Literal(kind=Kind.STRING, opens="`", closes="`", spans_lines=True),
        DOUBLE,
        CHARACTER,
    ),
    prefers_tabs=True,
)
RUST = replace(
    C_FAMILY,
    name="rust",
    literals=(
        SLASHES,
        SLASH_STAR,
        Literal(
            kind=Kind.STRING,
            opens=r'(?<!\w)[bc]?r(?P<tag>#*)"',
            closes='"{tag}',
            spans_lines=True,
        ),
        replace(DOUBLE, spans_lines=True),
        # Anything else behind an apostrophe is a lifetime.
        replace(CHARACTER, opens=r"'(?=\\|[^\\\n]'|\\?\Z)|(?<![&<])'(?=[^\\\n]\Z)"),
    ),
)
PHP = replace(
    C_FAMILY,
    name="php",
    literals=(
        replace(HASH, opens=r"#(?!\[)"),
        SLASHES,
        SLASH_STAR,
        Literal(
            kind=Kind.HEREDOC,
            opens=r"<<<[ \t]*(?P<quote>['\"]?)(?P<tag>[A-Za-z_]\w*)(?P=quote)",
            ending=Ending.TAG,
            spans_lines=True,
        ),
        replace(DOUBLE, spans_lines=True, inside=(("{$", "}"),)),
        replace(SINGLE, spans_lines=True),
    ),
)
CSS = Language(
    name="css",
    literals=(SLASH_STAR, DOUBLE, SINGLE),
    line_end=LineEnd.BLANK,
)
SCSS = replace(
    CSS,
    name="scss",
    line_comment="//",
    literals=(replace(SLASHES, opens="(?<!:)//"), *CSS.literals),
)
