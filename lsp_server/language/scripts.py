"""The languages whose blocks are closed by words: shells, Lua, Ruby and Perl's kin."""

from dataclasses import replace

from lsp_server.language.grammar import (
    BACKSLASH,
    DOUBLE,
    HASH,
    REGEX,
    SINGLE,
    Ending,
    Kind,
    Language,
    LineEnd,
    Literal,
    Words,
)

__all__ = ["LUA", "PERL", "RUBY", "SHELL"]

_HEREDOC = Literal(
    kind=Kind.HEREDOC,
    opens=r"<<[~-]?(?P<quote>['\"]?)(?P<tag>[A-Z_][A-Z0-9_]*)(?P=quote)",
    ending=Ending.TAG,
    spans_lines=True,
)


def _in_brackets(before: str) -> tuple[Literal, ...]:
    """Return the strings that brackets enclose behind such a text.

    Pairs of these brackets may stand in one, and in those no others.
    """
    return tuple(
        Literal(
            kind=Kind.STRING,
            opens=rf"{before}\{opener}",
            closes=closer,
            escapes=(*BACKSLASH, rf"\{opener}[^\{opener}\{closer}]*\{closer}"),
            spans_lines=True,
        )
        for opener, closer in ("{}", "()", "[]", "<>")
    )


SHELL = Language(
    name="shell",
    line_comment="#",
    literals=(
        replace(HASH, opens=r"(?<![^\s;&|()])#"),
        replace(
            _HEREDOC,
            opens=r"(?<!<)<<-?[ \t]*\\?(?P<quote>['\"]?)(?P<tag>[A-Za-z_]\w*)"
            r"(?P=quote)",
        ),
        replace(SINGLE, opens=r"\$'", spans_lines=True),
        replace(DOUBLE, spans_lines=True, inside=(("$(", ")"), ("${", "}"))),
        Literal(kind=Kind.STRING, opens="'", closes="'", spans_lines=True),
    ),
    words=Words(
        pairs=(("if", "fi"), ("case", "esac"), ("do", "done")), at_command=True
    ),
    skips=r"\\[\s\S]|\$#",
    head=r"\b(?:then|do|else|in)|\{|^[ \t]*[^()]+\)",
    line_end=LineEnd.STATEMENT,
    has_stray_closers=True,
)

LUA = Language(
    name="lua",
    line_comment="--",
    literals=(
        Literal(
            kind=Kind.COMMENT,
            opens=r"--\[(?P<tag>=*)\[",
            closes="]{tag}]",
            spans_lines=True,
        ),
        Literal(kind=Kind.COMMENT, opens="--", ending=Ending.LINE),
        Literal(
            kind=Kind.STRING,
            opens=r"\[(?P<tag>=*)\[",
            closes="]{tag}]",
            spans_lines=True,
        ),
        DOUBLE,
        SINGLE,
    ),
    words=Words(
        pairs=(
            ("function", "end"),
            ("if", "end"),
            ("do", "end"),
            ("repeat", "until"),
        )
    ),
    head=r"\b(?:then|do|else|repeat)|\bfunction\b[^()]*\([^()]*\)|\{",
)

RUBY = Language(
    name="ruby",
    line_comment="#",
    literals=(
        Literal(
            kind=Kind.COMMENT,
            opens="(?m:^)=begin",
            closes="\n=end",
            spans_lines=True,
        ),
        replace(HASH, opens=r"(?<![^\s;,(){}\[\]])#"),
        _HEREDOC,
        replace(DOUBLE, spans_lines=True, inside=(("#{", "}"),)),
        replace(SINGLE, spans_lines=True),
        replace(DOUBLE, opens="`", closes="`", inside=(("#{", "}"),)),
        *_in_brackets(r"(?:%[qQwWiIrsx]|(?<=[\s(,=\[{|>])%(?=\S\S))"),
        Literal(
            kind=Kind.STRING,
            opens=r"%[qQwWiIrsx](?P<tag>[|!/])",
            closes="{tag}",
            escapes=BACKSLASH,
            spans_lines=True,
            needs_operand=True,
        ),
        # One that has its parts on lines of their own.
        replace(REGEX, opens=r"/(?=(?:[^/\n]*[(|:])?[ \t]*\n)", spans_lines=True),
        replace(REGEX, inside=(("#{", "}"),)),
    ),
    # A character such as ?( and a variable such as $'.
    skips=r"(?:(?<=[(,\[{|=!&>])|(?<=[(,\[{|=!&>] )|(?m:^)[ \t]*)\?[^\s\w]|\$[^\w\s]",
    words=Words(
        pairs=tuple(
            (word, "end")
            for word in (
                *("def", "class", "module", "begin", "case", "do"),
                *("if", "unless", "while", "until", "for"),
            )
        ),
        at_statement=frozenset({"if", "unless", "while", "until", "for"}),
    ),
    head=r"\b(?:do|then|else|begin|ensure)|\bdo[ \t]*\|[^|\n]*\||\{"
    r"|^[ \t]*(?:def|class|module|if|unless|while|until|for|case|when|elsif"
    r"|rescue)\b.*",
)

PERL = Language(
    name="perl",
    line_comment="#",
    literals=(
        Literal(
            kind=Kind.COMMENT,
            opens=r"(?m:^)=[a-z]\w*",
            closes="\n=cut",
            spans_lines=True,
        ),
        replace(HASH, opens=r"(?<![\$\w{])#"),
        _HEREDOC,
        replace(DOUBLE, spans_lines=True),
        replace(SINGLE, opens=r"(?<!\w)'", spans_lines=True),
        *_in_brackets(r"(?<![\w$@%&\->])(?:q[qrwx]?|m)[ ]?(?!=>)"),
        # The first half of a substitution is of the same kind as a match.
        replace(
            REGEX,
            opens=r"\b(?:s|tr|y)/(?:\\.|[^/\\\n])*/|\b(?:m|qr)/",
            needs_operand=False,
        ),
        replace(
            REGEX,
            opens=r"(?<![\w$@%&>])(?:s|tr|y)\{(?:\\.|[^{}\\\n]|\{[^{}\n]*\})*\}\{",
            closes="}",
            needs_operand=False,
        ),
        REGEX,
    ),
    # A variable such as $", and the last index of an array.
    skips=r"\$[\"'`#]",
)
