"""Documents that no completion is to be had for, and positions that are not in them."""

import asyncio
from pathlib import Path

from lsp_editor import LspEditor, edit

FAR = 2**31 - 1


async def test_documents_of_every_kind(editor: LspEditor, tmp_path: Path) -> None:
    """Each gets a list, empty or not, and the next document is not the worse for it."""
    unopened = tmp_path / "unopened.py"
    unopened.write_text("x = ")
    cases = {
        "empty": ("", (0, 0), 1),
        "binary": ("\0\x01\x7f\ufffd" * 1000, (0, 17), 0),
        "halves of surrogate pairs": ("'\ud83d' + \udc00 ", (0, 8), 1),
        "one line of 5 MB": ("x = " * 1_250_000, (0, 5_000_000), 0),
        "only line ends": ("\r\n" * 100, (50, 0), 1),
        "suffix only": ("\nx = 1\n", (0, 0), 1),
    }
    for name, (text, (line, character), expected) in cases.items():
        uri = f"file:///nowhere/{name.replace(' ', '-')}.py"
        editor.open(text, uri=uri)
        assert expected == len(await editor.complete(line, character, uri=uri)), name
        editor.change(2, edit((0, 0), (0, 0), "# y\n"), uri=uri)
        items = await editor.complete(line + 1, character, uri=uri)
        assert expected == len(items), name
    assert [] == list(await editor.complete(0, 4, uri=unopened.as_uri()))
    for uri in (
        "oil-ssh://[fe80::1/x.py",
        "untitled:Untitled-1",
        "git:/x.py?ref=HEAD",
        "vscode-notebook-cell:/n.ipynb#a",
    ):
        editor.open("x = ", uri=uri)
        assert 1 == len(await editor.complete(0, 4, uri=uri)), uri
    editor.open("x = ")
    for line, character in ((0, FAR), (FAR, 0), (FAR, FAR)):
        (item,) = await editor.complete(line, character)
        assert item.range is not None
        assert (0, 4) == (item.range.start.line, item.range.start.character)
    assert [] == editor.messages


async def test_a_document_of_50_mb(editor: LspEditor) -> None:
    """It gets no completions, and does not hold up anybody for long."""
    huge = "file:///nowhere/huge.py"
    editor.open("value = 'x'\n" * (50_000_000 // 12), uri=huge)
    assert [] == list(await editor.complete(7, 8, uri=huge))
    editor.open("x = ")
    async with asyncio.timeout(60):
        for version in range(2, 12):
            editor.change(version, edit((9, 0), (9, 0), "y"), uri=huge)
        assert 1 == len(await editor.complete(0, 4))
