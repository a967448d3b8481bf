"""The ranges of items: within one line, and in place of what is selected."""

import pytest
from fault_backends import EchoBackend, completion
from piped_editor import (
    Connect,
    Editor,
    Json,
)

from lsp_server.outcomes import Completion
from lsp_server.values import Snapshot


def selected(text: str, start: int, end: int) -> Json:
    """Describe a selected item of the editor's list, in the first line."""
    replaced = {
        "start": {"line": 0, "character": start},
        "end": {"line": 0, "character": end},
    }
    return {"range": replaced, "text": text}


def backend_of(*answers: tuple[str, int | None, int | None]) -> EchoBackend:
    """Make a backend that answers with these texts over these offsets."""

    class Fixed(EchoBackend):
        async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
            return tuple(
                completion(snapshot, text, start=start, end=end)
                for text, start, end in answers
            )

    return Fixed()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (("X", 4, 4), {"line": 1, "start": 1, "end": 1}),
        (("X", 3, 5), {"line": 1, "start": 0, "end": 3}),
        (("X", 0, 2), {"line": 0, "start": 0, "end": 2}),
        (("X", 0, 4), None),
    ],
)
async def test_items_have_ranges_within_one_line(
    connect: Connect,
    answer: tuple[str, int, int],
    expected: dict[str, int] | None,
) -> None:
    """A range is given in the editor's code units; one over two lines is left out."""
    editor = await connect(backend_of(answer))
    await editor.initialize()
    editor.open("ab\nc😀d")
    found = await editor.complete(1, 1)
    if expected is None:
        assert [] == found
    else:
        start = {"line": expected["line"], "character": expected["start"]}
        end = {"line": expected["line"], "character": expected["end"]}
        (item,) = found
        assert ("X", {"start": start, "end": end}) == (
            item["insertText"],
            item["range"],
        )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (("(1)", None, None), "print(1)"),
        (("print(1)", 4, None), "print(1)"),
        (("int(1)", 6, None), "print(1)"),
        (("", None, None), None),
        (("other", 4, None), None),
        (("x", 0, None), None),
        (("x", 4, 5), None),
    ],
)
async def test_items_extend_what_is_selected(
    connect: Connect, answer: tuple[str, int | None, int | None], text: str | None
) -> None:
    """With a selected item, an item uses its range and goes on from its text."""
    backend = backend_of(answer)
    editor = await connect(backend)
    await editor.initialize()
    editor.open("x = pri")
    found = await editor.complete(0, 7, selectedCompletionInfo=selected("print", 4, 7))
    (snapshot,) = backend.snapshots
    assert ("x = print", 9) == (snapshot.text, snapshot.offset)
    replaced = {
        "start": {"line": 0, "character": 4},
        "end": {"line": 0, "character": 7},
    }
    expected = [] if text is None else [(text, replaced)]
    assert expected == [(item["insertText"], item["range"]) for item in found]


async def test_a_reversed_selection_gets_nothing(
    editor: Editor, backend: EchoBackend
) -> None:
    """It costs only its own request."""
    editor.open("abc")
    assert [] == await editor.complete(0, 3, selectedCompletionInfo=selected("x", 3, 1))
    assert [] == backend.snapshots
    assert 1 == len(await editor.complete(0, 3))
