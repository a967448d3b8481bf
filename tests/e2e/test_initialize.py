"""``initialize``: answered at once, with what the server can do."""

import asyncio

import pytest
from lsp_editor import Start
from lsprotocol import types

pytestmark = pytest.mark.parametrize("way", ["own", "attached"], indirect=True)


async def test_it_is_answered_while_the_engine_loads(start: Start) -> None:
    """The capabilities come, requests are empty, and shutdown does not wait."""
    editor = await start(SCRIPTED_START_DELAY_MS="600000")
    result = await editor.introduce()
    assert result.server_info is not None
    assert "midfill" == result.server_info.name
    can = result.capabilities
    assert types.PositionEncodingKind.Utf16 == can.position_encoding
    assert types.InlineCompletionOptions() == can.inline_completion_provider
    assert isinstance(can.text_document_sync, types.TextDocumentSyncOptions)
    assert types.TextDocumentSyncKind.Incremental == can.text_document_sync.change
    await editor.wait(lambda: any(editor.bars))
    editor.open("x = ")
    assert [] == list(await editor.complete(0, 4))
    (bar,) = editor.bars
    assert "begin" == bar[0]
    assert "end" not in bar
    async with asyncio.timeout(60):
        await editor.shutdown_session()
    assert 0 == await editor.exit_code()
