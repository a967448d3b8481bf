"""A scan says what each place of a text belongs to, wherever the text is cut off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.language.frames import ScanState
from lsp_server.language.grammar import Kind
from lsp_server.language.languages import language_of
from lsp_server.language.scan import scan

CODE, COMMENT, STRING = Kind.CODE, Kind.COMMENT, Kind.STRING
REGEX, HEREDOC, CHARACTER = Kind.REGEX, Kind.HEREDOC, Kind.CHARACTER


def end_of(text: str, language_id: str) -> tuple[Kind, str]:
    """Return what the end of ``text`` is in, and which closers are open there."""
    frames = scan(text, language_of(language_id)).state.frames
    literal = frames[-1] if frames and frames[-1].kind.is_literal else None
    return literal.kind if literal else CODE, " ".join(
        each.closer for each in frames
    ).strip()


@pytest.mark.parametrize(
    ("language", "text", "kind", "closers"),
    [
        ("python", "f('(", STRING, ") '"),
        ("python", "'\\'(", STRING, "'"),
        ("python", "x = '''a\n(", STRING, "'''"),
        ("python", 'f"{x[', CODE, '" } ]'),
        ("python", 'rf"{{(', STRING, '"'),
        ("python", "# it's (\nf(", CODE, ")"),
        ("python", "'it\nf(", CODE, ")"),
        ("python", "f(g[\ndef h(x):\n    y = (", CODE, ")"),
        ("javascript", "x = `a ${f(`b", STRING, "` } ) `"),
        ("javascript", "x = `a ${b} (\n", STRING, "`"),
        ("typescript", "s.split(/[/(]\\/(", REGEX, ") /"),
        ("javascript", "a = b / (c / d", CODE, ")"),
        ("javascript", "i++ / (2", CODE, ")"),
        ("typescriptreact", "<p>Don't http://x {f(", CODE, "} )"),
        ("javascript", "f(/* ) */ {", CODE, ") }"),
        ("go", "x := `\\`+f(`(", STRING, ") `"),
        ("go", "r := '('; f(", CODE, ")"),
        ("rust", "fn f<'a>(x: &'a str) { r#\"\" (", STRING, '} "#'),
        ("rust", "let c = '('; let d = '\\''; f(", CODE, ")"),
        ("rust", "let c = '", CHARACTER, "'"),
        ("java", 'x = """\n  (" ""', STRING, '"""'),
        ("cpp", 'auto s = R"x(a)" )x"; n = 1\'000; f(', CODE, ")"),
        ("csharp", '@"a\\"; f($"{{ {g(', CODE, ') " } )'),
        ("csharp", '@"a ""(', STRING, '"'),
        ("lua", "x = [==[ ]] (", STRING, "]==]"),
        ("lua", "--[[ (\n]] f(", CODE, ")"),
        ("lua", "if f(x) then g(function()", CODE, "end ) end"),
        ("lua", "for i = 1, 2 do x.i = i end", CODE, ""),
        ("shellscript", "curl https://a#b # (", COMMENT, ""),
        ("sh", "cat <<-'EOF'\n  it's (\n", HEREDOC, "EOF"),
        ("bash", "cat <<EOF\n(\nEOF\nif [ -n \"$(f '", STRING, "fi ] \" ) '"),
        ("zsh", "case $x in\n  a) f ;;\n  b|c) ", CODE, "esac"),
        ("shellscript", "echo done if; for x in y; do (", CODE, "done )"),
        ("sql", "select 'it''s (', f( -- '(", COMMENT, ")"),
        ("sql", "do $x$it's ( $$ ", STRING, "$x$"),
        ("sql", "do $x$ begin ( $$ ", CODE, ")"),
        ("sql", "as $$\nbegin\n  a('x');\nend $$;\nf('", STRING, ") '"),
        ("yaml", "a: it's {b: https://x/#y, c: [", CODE, "} ]"),
        ("yaml", "run: |\n  f(\n\n  # {", HEREDOC, ""),
        ("yaml", "- run: >-\n    f(\n  id: [", CODE, "]"),
        ("toml", "a = '\\' # (\nb = [", CODE, "]"),
        ("json", '{"a": "//", "b": [', CODE, "} ]"),
        ("jsonc", '{ // "\n "a": "', STRING, '} "'),
        ("html", "<!-- <p a='", COMMENT, "-->"),
        ("html", "<p>it's <a b='", STRING, "'"),
        ("css", "a { b: url(http://x); /* }", COMMENT, "} */"),
        ("makefile", "a: b\n\techo $(f it\\'s # (", COMMENT, ")"),
        ("dockerfile", "# it's\nRUN a#b && (", CODE, ")"),
        ("javascript", "a = { begin: /</, end: />\\]/, x: [<br />, ", CODE, "} ]"),
        ("typescript", "f(a! / this.b); f(a[0]!/2, !/(/.test(", CODE, ") )"),
        ("ruby", 'x = "a #{f(', CODE, '" } )'),
        ("ruby", "def f\n  return if x\n  y.map do |z|\n", CODE, "end end"),
        ("ruby", "x = y.gsub(/[/(]/, '", STRING, ") '"),
        (
            "ruby",
            "x.sort! if y\nf(:[]=) unless z(a) if b\ny.map { |z| f(z) if z }",
            CODE,
            "",
        ),
        ("ruby", "x = if y then\n  [1, ?(, ??, (", CODE, "end ] )"),
        ("ruby", "x = %w[a ( b].map { %r{/(a{2}|\\}) ", STRING, "} }"),
        ("ruby", "f %(it's [) { x % (y", CODE, "} )"),
        ("ruby", "f(/\\A(?:\n  \"  # (\n)/x, `ls '`, $', \"", STRING, ') "'),
        ("perl", "$x =~ s/\\(/)/g; f(", CODE, ")"),
        (
            "perl",
            "=head1 It's (\n\nThat {\n\n=cut\n\nf(qw(a { (b) '), q{it's (}, $#",
            CODE,
            ")",
        ),
        ("perl", "$x =~ s{/+$}{}; $h{s}{y} = m{^/(} ? ", CODE, ""),
        ("php", "# it's\n$x = <<<EOT\n(\nEOT;\nf(", CODE, ")"),
        ("markdown", "1) it's ( `", CODE, ""),
        ("no-such-language", "f('(", CODE, ""),
    ],
)
def test_what_the_end_is_in(language: str, text: str, kind: Kind, closers: str) -> None:
    """Strings, comments, brackets and blocks of each language are distinguished."""
    assert (kind, closers) == end_of(text, language)


@pytest.mark.parametrize(
    ("language", "text", "strays"),
    [
        ("python", "f(x)) + ')'", [4]),
        ("javascript", "// )\nf(/\\)/)", []),
        ("go", "f({)", [3]),
        ("markdown", "1) a", []),
    ],
)
def test_closers_without_openers(language: str, text: str, strays: list[int]) -> None:
    """A bracket that closes nothing is found, and does not close an outer brace."""
    assert strays == list(scan(text, language_of(language)).strays)


LANGUAGES = st.sampled_from(
    [
        *("python", "javascript", "rust", "lua", "shellscript", "yaml", "csharp"),
        *("sql", "ruby", "php"),
    ]
)
TEXTS = st.text(alphabet="([{}])\"'`#/*-\\\n $|<EOFrif", max_size=40)


@given(language=LANGUAGES, lines=st.lists(TEXTS, max_size=4), rest=TEXTS)
def test_a_scan_goes_on_at_any_line(language: str, lines: list[str], rest: str) -> None:
    """Scanning up to the start of a line and on from there is scanning the whole."""
    rules = language_of(language)
    head = "".join(f"{line}\n" for line in lines)
    state = scan(head, rules, origin=-len(head)).state
    parts = scan(rest, rules, state=state)
    whole = scan(head + rest, rules, origin=-len(head))
    assert whole.state == parts.state


@pytest.mark.parametrize(
    ("language_id", "name"),
    [
        ("sh", "shell"),
        ("shellscript", "shell"),
        ("typescriptreact", "javascript"),
        ("c_sharp", "csharp"),
        ("csharp", "csharp"),
        ("c++", "cpp"),
        ("python-mode", "python"),
        ("Dockerfile", "dockerfile"),
        ("plaintext", "prose"),
        ("", "prose"),
    ],
)
def test_each_editor_has_its_names(language_id: str, name: str) -> None:
    """One language has the names that VS Code, Neovim, Emacs and Helix give it."""
    assert name == language_of(language_id).name


def test_a_state_holds_what_is_open() -> None:
    """What was open before a text is open in it, and closed by its closers."""
    rules = language_of("javascript")
    before = scan("f(`a", rules, origin=-4)
    after = scan("` + g(`)`)", rules, state=before.state)
    assert [(0, "`")] == [(each.offset, each.frame.closer) for each in after.closings]
    assert ScanState(frames=before.state.frames[:1]) == after.state
