"""The context of a cursor holds the lines around it, and costs the same anywhere."""

import pytest

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.language.grammar import Kind
from lsp_server.values import Snapshot

CURSOR = "▮"


def context(document: str, language_id: str = "python") -> CursorContext:
    """Return the context of the marked cursor."""
    snapshot = Snapshot(
        uri="file:///a",
        language_id=language_id,
        version=1,
        text=document.replace(CURSOR, ""),
        offset=document.index(CURSOR),
    )
    return CursorContext.of(snapshot)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_lines_are_those_around_the_cursor(end: str) -> None:
    """Nearest first, without their line ends, and blank ones are no code."""
    cursor = context(f"a{end}b{end}{end}\tx = {CURSOR}y{end} {end}c{end}")
    assert ("\tx = ", "y") == (cursor.line_before, cursor.line_after)
    assert ("", "b", "a") == cursor.lines_above
    assert (" ", "c", "") == cursor.lines_below
    assert ("b", "c") == (cursor.code_above, cursor.code_below)
    assert 4 == cursor.indentation
    assert not cursor.is_blank


@pytest.mark.parametrize("document", [CURSOR, f" \r\n{CURSOR}\t\n\n"])
def test_a_blank_document_is_blank(document: str) -> None:
    """White space alone is nothing to go by."""
    cursor = context(document)
    assert cursor.is_blank
    assert ("", "") == (cursor.code_above, cursor.code_below)


def test_its_size_is_limited() -> None:
    """Lines far from the cursor are left out, and a long line is cut."""
    cursor = context("a\n" * 500_000 + CURSOR + "b" * 500_000)
    assert len(cursor.lines_above) <= 20_000
    assert len(cursor.line_after) <= 20_000
    assert () == cursor.lines_below


@pytest.mark.parametrize(
    ("line", "columns"), [("", 0), ("x", 0), ("  x", 2), ("\tx", 4), (" \tx", 4)]
)
def test_indentation_counts_columns(line: str, columns: int) -> None:
    """A tab goes to the next multiple of four."""
    assert columns == indentation_of(line)


@pytest.mark.parametrize(
    ("language", "document", "kind", "closed"),
    [
        ("python", "f('a▮')", Kind.STRING, "( '"),
        ("python", "f('a▮)\n", Kind.STRING, "("),
        ("python", "f('a▮, 'b')\n", Kind.STRING, "("),
        ("python", '"""▮"""\n', Kind.STRING, '"""'),
        ("python", 'def f():\n    """▮\n\ndef g():\n    """B."""\n', Kind.STRING, ""),
        ("python", 'f"{x▮}"', Kind.CODE, '" {'),
        ("javascript", "f(() => {▮})", Kind.CODE, "( {"),
        ("c", "int f() {\n  ▮\n}\n", Kind.CODE, "{"),
        ("java", "class A {\n  int f() {▮\n\n  int g() {}\n}\n", Kind.CODE, "{"),
        ("java", "class A { int f() {▮\n}\n", Kind.CODE, "{"),
        ("go", "/* ▮ */", Kind.COMMENT, "/*"),
        ("go", "/* ▮\nx /* y */", Kind.COMMENT, ""),
        ("lua", "if x then\n  ▮\nend", Kind.CODE, "if"),
        ("shellscript", "cat <<EOF\n▮\nEOF\n", Kind.HEREDOC, "<<EOF"),
        ("yaml", "run: |\n  ▮\n", Kind.HEREDOC, ""),
        ("yaml", "run: |\n  a\nb: ▮\n", Kind.CODE, ""),
        ("rust", "let c = '▮';", Kind.CHARACTER, "'"),
    ],
)
def test_what_the_cursor_is_in(
    language: str, document: str, kind: Kind, closed: str
) -> None:
    """The cursor's place is known, and what the text behind it closes of it."""
    cursor = context(document, language)
    closed_behind = [each for each in cursor.frames if each in cursor.closed_behind]
    assert kind is cursor.kind
    assert closed == " ".join(each.opener for each in closed_behind)


@pytest.mark.parametrize(
    ("language", "function"),
    [
        ("python", 'def f(a):\n    """Return (one."""\n    return [a]\n\n\n'),
        ("javascript", "/** Return (one. */\nconst f = (a) => {\n  g(`x ${a}`);\n}\n"),
    ],
)
def test_a_long_document_is_not_turned_inside_out(language: str, function: str) -> None:
    """What is read may begin inside of a string or a comment."""
    for padding in range(0, len(function), 3):
        before = f"{function * 600}{'x' * padding}\n"
        assert Kind.CODE is context(f"{before}x = f(▮)", language).kind
        assert Kind.STRING is context(f"{before}x = f('▮')", language).kind


def test_what_is_far_away_is_not_read() -> None:
    """In a file of 100,000 lines, the scan costs as much as in a short one."""
    cursor = context(
        "class A {\n" + "  int a;\n" * 100_000 + "  int b = f(▮);\n}\n", "java"
    )
    assert ["("] == [frame.opener for frame in cursor.frames]
    assert Kind.CODE is context("/*\n" + " a\n" * 100_000 + "*/ f(▮)\n", "c").kind


@pytest.mark.parametrize("ends", [("\r\n", "\n"), ("\r", "\r\n"), ("\n", "\r")])
def test_line_ends_may_be_mixed(ends: tuple[str, str]) -> None:
    """A comment ends with its line, whatever ends that; so does a string's heredoc."""
    first, second = ends
    cursor = context(f"f( # it's{first}  [{second}  ▮{first}]){second}")
    assert (Kind.CODE, "([") == (
        cursor.kind,
        "".join(frame.opener for frame in cursor.frames),
    )
    assert set(cursor.frames) == cursor.closed_behind
    heredoc = f"cat <<EOF{first}({second}EOF{first}f '▮'{second}"
    assert Kind.STRING is context(heredoc, "sh").kind


@pytest.mark.parametrize("sign", ["👩‍👩‍👧", "e\u0301", "\U0001f1e9\U0001f1ea", "ﷺ"])
def test_signs_of_several_parts(sign: str) -> None:
    """Offsets are code points on both sides of the cursor."""
    cursor = context(f"x = '{sign}▮{sign}'\n")
    assert (f"x = '{sign}", f"{sign}'") == (cursor.line_before, cursor.line_after)
    assert Kind.STRING is cursor.kind
    assert set(cursor.frames) == cursor.closed_behind
