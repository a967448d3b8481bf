"""What was edited last in other documents is context, and follows later edits."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from project_editor import ROOT, ProjectEditor, document

from lsp_server.project.provider import DocumentEdited, DocumentOpened, Query
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


def diff_of(first: int, *lines: str | int) -> str:
    """Return a diff with two lines around it: from one, and from the last number."""
    shown = [f" {NUMBERED[first]}", f" {NUMBERED[first + 1]}"]
    for each in lines:
        numbered = NUMBERED[each : each + 2] if isinstance(each, int) else ()
        shown += [f" {line}" for line in numbered] or [str(each)]
    return "\n".join(shown)


def opened(open_project: Open) -> ProjectEditor:
    """Return an editor with three documents."""
    editor = open_project(RecentEdits())
    for uri in (ONE, TWO, HERE):
        editor.open(uri, "\n".join(NUMBERED) if uri != HERE else "x = 1\n")
    return editor


async def test_edits_of_other_documents_are_shown_as_diffs(open_project: Open) -> None:
    """With two lines around them; the document's own edits are not."""
    editor = opened(open_project)
    assert [] == await shown(editor)
    edit(editor, ONE, [*NUMBERED[:50], "edited = True", *NUMBERED[51:]])
    edit(editor, HERE, ["x = 2", "own = 1"])
    diff = diff_of(48, "-line_50 = 50", "+edited = True", 51)
    assert [("one.py.diff", diff)] == await shown(editor)


async def test_an_edit_keeps_its_place_under_later_ones(open_project: Open) -> None:
    """Lines that come above move it, and what touches it joins it."""
    editor = opened(open_project)
    lines = [*NUMBERED[:50], "first = 1", *NUMBERED[50:]]
    edit(editor, ONE, lines)
    await editor.gathered(editor.texts[HERE])
    lines = ["above = 0", *lines[:51], "second = 2", *lines[51:]]
    edit(editor, ONE, lines)
    diff = diff_of(48, "+first = 1", "+second = 2", 50)
    above = f"+above = 0\n {NUMBERED[0]}\n {NUMBERED[1]}"
    assert {("one.py.diff", above), ("one.py.diff", diff)} == {*await shown(editor)}


async def test_a_line_that_went_is_shown_until_it_is_back(open_project: Open) -> None:
    """An edit is held against what stood there before the first one."""
    editor = opened(open_project)
    edit(editor, ONE, [*NUMBERED[:50], *NUMBERED[51:]])
    assert [("one.py.diff", diff_of(48, "-line_50 = 50", 51))] == await shown(editor)
    edit(editor, ONE, [*NUMBERED[:50], "line_x = 50", *NUMBERED[51:]])
    diff = diff_of(48, "-line_50 = 50", "+line_x = 50", 51)
    assert [("one.py.diff", diff)] == await shown(editor)
    edit(editor, ONE, NUMBERED)
    assert [] == await shown(editor)


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


@given(st.lists(TEXTS, min_size=2, max_size=5))
async def test_diffs_account_for_each_line(texts: list[list[str]]) -> None:
    """Whatever is edited again: what went and came makes the first text the last."""
    now = document(ONE, "\n".join(texts[0]))
    here = document(HERE, "")
    provider = RecentEdits()
    provider.take(DocumentOpened(uri=ONE, read=lambda: now))
    query = Query(snapshot=here, folder=ROOT, open_documents=(now,))
    found = await provider.gather(query)
    for text in texts[1:]:
        now = document(ONE, "\n".join(text))
        provider.take(DocumentEdited(uri=ONE))
        found = await provider.gather(query)
    lines = [line for each in found for line in each.text.split("\n")]
    went, came = (
        Counter(line[1:] for line in lines if line[:1] == mark) for mark in "-+"
    )
    first, last = (
        Counter("\n".join(each).split("\n")) for each in (texts[0], texts[-1])
    )
    assert first + came == last + went
