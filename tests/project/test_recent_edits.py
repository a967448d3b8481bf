"""What was edited last in other documents is context, and follows later edits."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from project_editor import ROOT, ProjectEditor

from lsp_server.project.provider import DocumentEdited
from lsp_server.project.recent_edits import RecentEdits, changes_between

Open = Callable[..., ProjectEditor]

HERE, ONE, TWO = (f"{ROOT}/{name}.py" for name in ("here", "one", "two"))
NUMBERED = [f"line_{n} = {n}" for n in range(100)]


def edit(editor: ProjectEditor, uri: str, lines: list[str]) -> None:
    """Replace the lines of an open document."""
    before = editor.texts[uri]
    text, version = "\n".join(lines), before.version + 1
    editor.texts[uri] = replace(before, text=text, version=version)
    editor.project.take(DocumentEdited(uri=uri))


async def shown(editor: ProjectEditor) -> list[tuple[str, str]]:
    """Return the paths and texts that the model would read."""
    found = await editor.gathered(editor.texts[HERE])
    return [(each.path, each.text) for each in found]


def opened(open_project: Open) -> ProjectEditor:
    """Return an editor with three documents."""
    editor = open_project(RecentEdits())
    for uri in (ONE, TWO, HERE):
        editor.open(uri, "\n".join(NUMBERED) if uri != HERE else "x = 1\n")
    return editor


async def test_edited_lines_of_other_documents_are_shown(open_project: Open) -> None:
    """With three lines around them; the document's own edits are not."""
    editor = opened(open_project)
    assert [] == await shown(editor)
    edit(editor, ONE, [*NUMBERED[:50], "edited = True", *NUMBERED[51:]])
    edit(editor, HERE, ["x = 2", "own = 1"])
    around = [*NUMBERED[47:50], "edited = True", *NUMBERED[51:54]]
    assert [("one.py", "\n".join(around))] == await shown(editor)


async def test_an_edit_keeps_its_place_under_later_ones(open_project: Open) -> None:
    """Lines that come above move it, and what touches it joins it."""
    editor = opened(open_project)
    lines = [*NUMBERED[:50], "first = 1", *NUMBERED[50:]]
    edit(editor, ONE, lines)
    await editor.gathered(editor.texts[HERE])
    lines = ["above = 0", *lines[:51], "second = 2", *lines[51:]]
    edit(editor, ONE, lines)
    editor.project.take(DocumentEdited(uri=HERE))
    await editor.project.settle()
    text = "\n".join([*NUMBERED[47:50], "first = 1", "second = 2", *NUMBERED[50:53]])
    assert ("one.py", text) in await shown(editor)


async def test_a_file_that_was_replaced_is_no_edit(open_project: Open) -> None:
    """As after a format or another branch; nor is one that was taken back."""
    editor = opened(open_project)
    edit(editor, ONE, [f"other_{n} = {n}" for n in range(100)])
    edit(editor, TWO, [*NUMBERED, "more = 1"])
    edit(editor, TWO, NUMBERED)
    assert [] == await shown(editor)


async def test_a_closed_document_has_no_edits(open_project: Open) -> None:
    """Its text is gone at once."""
    editor = opened(open_project)
    edit(editor, ONE, [*NUMBERED, "more = 1"])
    assert 1 == len(await shown(editor))
    editor.close(ONE)
    assert [] == await shown(editor)


TEXTS = st.lists(st.sampled_from("abc"), max_size=12)


@given(TEXTS, TEXTS)
def test_changes_make_one_text_of_the_other(
    before: list[str], after: list[str]
) -> None:
    """They are in order, and what is between them is the same in both."""
    made: list[str] = []
    at = 0
    for change in changes_between(before, after):
        made += before[at : change.old_start]
        assert change.start == len(made)
        made += after[change.start : change.end]
        at = change.old_end
    assert after == [*made, *before[at:]]
