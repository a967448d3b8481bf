"""Open tabs give what is most like the code at the cursor, in chunks that stay."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project_editor import ROOT, ProjectEditor, document

from lsp_server.project.gathering import choose
from lsp_server.project.open_documents import folder_of, path_in
from lsp_server.project.open_tabs import OpenTabs
from lsp_server.project.similarity import chunks_of, words_near
from lsp_server.values import Snippet

Open = Callable[..., ProjectEditor]

HERE = f"{ROOT}/src/a.py"
CART = "def total_of(cart):\n    return sum(item.price for item in cart.items)\n"
FILLER = "".join(f"value_{n} = {n}\n" for n in range(200))


async def test_the_similar_part_of_another_tab_is_found(open_project: Open) -> None:
    """With its path in the folder; what has nothing in common is left out."""
    editor = open_project(OpenTabs())
    editor.open(f"{ROOT}/shop/cart.py", FILLER + CART + FILLER)
    editor.open(f"{ROOT}/noise.py", "alpha = beta\n" * 40)
    text = "cart = load_cart()\nfor item in cart.items:\n    show(item.price, total_"
    here = replace(editor.open(HERE, text), offset=len(text))
    found = await editor.gathered(here)
    assert "def total_of(cart)" in found[0].text
    assert {"shop/cart.py"} == {each.path for each in found}


async def test_notebook_cells_and_untitled_documents_are_tabs_too(
    open_project: Open,
) -> None:
    """The cells of one notebook are context for each other."""
    editor = open_project(OpenTabs())
    cell = f"vscode-notebook-cell:{ROOT.removeprefix('file:')}/n.ipynb"
    editor.open(f"{cell}#one", CART)
    editor.open("untitled:Untitled-1", CART.replace("total_of", "sum_of"))
    text = "total_of(cart.items)"
    here = replace(editor.open(f"{cell}#two", text), offset=len(text))
    found = await editor.gathered(here)
    assert f"{cell}#one" == found[0].uri
    assert "n.ipynb" == found[0].path


async def test_what_stands_at_the_cursor_is_not_repeated(open_project: Open) -> None:
    """A copy of the file itself is no context."""
    editor = open_project(OpenTabs())
    editor.open(f"{ROOT}/copy.py", CART)
    assert () == await editor.gathered(editor.open(HERE, CART))


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (CART.replace("    ", "\t"), 1),
        (FILLER[:200], 2),
        (CART.replace("sum", "max"), 2),
    ],
)
def test_the_same_is_said_once(second: str, expected: int) -> None:
    """Also where it is indented in another way or has a line more."""
    provider = OpenTabs()
    found = [
        Snippet(path=path, text=text, score=score, uri=f"{ROOT}/{path}")
        for path, text, score in [("b.py", CART, 0.5), ("c.py", second, 0.4)]
    ]
    asked = ((provider, tuple(found)),)
    here = document(HERE, "")
    assert expected == len(choose(asked, here, most_chars=1000))
    (best,) = choose(asked, here, most_chars=len(CART))
    assert CART == best.text


@given(st.lists(st.sampled_from(["", "one_word", "two", "\t three_", "x"])))
def test_chunks_are_whole_lines_and_cover_every_word(lines: list[str]) -> None:
    """Where they begin depends on the text alone."""
    text = "\n".join(lines)
    chunks = chunks_of(text)
    for chunk in chunks:
        count = chunk.text.count("\n") + 1
        assert chunk.text == "\n".join(lines[chunk.line : chunk.line + count])
    covered = frozenset().union(*(chunk.words for chunk in chunks))
    assert {"one_word", "two", "three_"} & set(text.split()) == covered


def test_the_word_at_the_cursor_does_not_count() -> None:
    """It is being typed: the choice must not follow each of its letters."""
    text = "alpha = beta\ngam"
    assert ("alpha", "beta") == words_near(document(HERE, text, offset=len(text)))


@pytest.mark.parametrize(
    ("uri", "folders", "folder", "path"),
    [
        ("file:///w/a%20b.py", ["file:///w"], "file:///w", "a b.py"),
        ("file:///wide/a.py", ["file:///w"], None, "a.py"),
        ("file:///w/x/a.py", ["file:///w", "file:///w/x"], "file:///w/x", "a.py"),
        ("untitled:Untitled-1", ["file:///w"], "file:///w", "Untitled-1"),
        ("untitled:Untitled-1", ["file:///w", "file:///v"], None, "Untitled-1"),
        ("vscode-notebook-cell:/w/n.ipynb#c", ["file:///w"], "file:///w", "n.ipynb"),
        ("file://[/a.py", ["file:///w"], None, "a.py"),
    ],
)
def test_a_document_belongs_to_the_innermost_folder(
    uri: str, folders: list[str], folder: str | None, path: str
) -> None:
    """And its path is counted from there."""
    assert folder == folder_of(uri, folders)
    assert path == path_in(folder, uri)
