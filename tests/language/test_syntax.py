"""A parser says what an insertion breaks, in bounded text and time."""

import pytest

from lsp_server.language.syntax import syntax_errors


def errors(marked: str, insertions: list[str], language: str) -> list[int] | None:
    """Count the errors with each insertion at the bar."""
    before, after = marked.split("|")
    return syntax_errors(before + after, len(before), insertions, language, limit_s=60)


@pytest.mark.parametrize(
    ("language", "marked", "good", "bad"),
    [
        ("python", "def f(a):\n    x = |\n    return x\n", "a[0]", "a[0"),
        ("python", "if x:\n    |\ny = 1\n", "f(\n        1,\n    )", "f(\n        1"),
        ("go", "func f() {\n\tx := |\n}\n", "g(1)", "g(1))"),
        ("typescriptreact", "const a = |;\n", "<b>{c}</b>", "<b>{c"),
        ("rust", "fn f() { let a = |; }\n", "b::<C>()", "b::<C("),
        ("shellscript", "if true; then |; fi\n", "echo 1", "echo $(1"),
        ("yaml", "a: |\nb: 2\n", "[1, 2]", "[1, 2"),
        ("python", "é = '🚄' + |\n", "'é'", "('é'"),
    ],
)
def test_what_breaks_a_file_is_found(
    language: str, marked: str, good: str, bad: str
) -> None:
    """Each insertion is judged by itself, whatever was tried before."""
    found = errors(marked, [good, bad, good], language)
    assert found is not None
    assert [0, 1, 0] == [min(count, 1) for count in found]


def test_an_edited_tree_is_the_tree_of_the_text() -> None:
    """Parsing only what has changed finds what parsing all of it finds."""
    marked = "class A:\n    def f(self):\n        |\n\n    def g(self):\n        pass\n"
    tried = ["x = (", "return 1\n\n    def h(self", "'''", "y = 1", ")"]
    alone = [errors(marked.replace("|", f"{text}|"), [""], "python") for text in tried]
    assert [count for each in alone for count in each or ()] == errors(
        marked, tried, "python"
    )


def test_it_is_bounded() -> None:
    """No grammar, or no time: nothing is known. A large file is read in part."""
    assert errors("|", ["a"], "plaintext") is None
    assert syntax_errors("", 0, ["a", "b"], "python", limit_s=-1) is None
    far = ")" * 1000 + "\n" * 40_000
    assert [0, 1] == errors(f"{far}x = |\n{far[::-1]}", ["1", "(1"], "python")


def test_a_lone_surrogate_is_no_obstacle() -> None:
    """Text that is no valid Unicode is parsed all the same."""
    assert [0] == errors("x = '\ud800' + |\n", ["'\udfff'"], "python")
