"""``textDocument/inlineCompletion``, from the editor to the engine and back."""

import pytest
from lsp_editor import LspEditor, Start
from lsprotocol import types

pytestmark = pytest.mark.parametrize("way", ["own", "attached"], indirect=True)


async def test_a_completion_comes_back(editor: LspEditor) -> None:
    """The item stands at the cursor, which counts UTF-16 code units."""
    editor.open("import re\n😀 = \n")
    (item,) = await editor.complete(1, 5)
    here = types.Position(line=1, character=5)
    assert "21 + 21" == item.insert_text
    assert types.Range(here, here) == item.range
    assert [] == editor.messages


async def test_the_newest_request_of_a_document_wins(start: Start) -> None:
    """The others come back empty at once; another document is left in peace."""
    editor = await start(SCRIPTED_TEXT="21 + 21", SCRIPTED_TOKEN_DELAY_MS="150")
    await editor.introduce()
    await editor.wait_until_ready()
    other = "file:///nowhere/other.py"
    editor.open("x = ")
    editor.open("y = ", uri=other)
    apart = editor.ask("apart", 0, 4, uri=other)
    asked = [editor.ask(f"ask-{number}", 0, 4) for number in range(5)]
    answers = [len(await answer) for answer in asked]
    assert [0, 0, 0, 0, 1] == answers
    assert 1 == len(await apart)
    assert [] == editor.messages
