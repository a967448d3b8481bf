"""``shutdown`` and ``exit``: what may come when, and the exit status."""

import pytest
from lsp_editor import LspEditor, Start, asked_at
from pygls.exceptions import JsonRpcException

pytestmark = pytest.mark.parametrize("way", ["own", "attached"], indirect=True)


async def test_after_shutdown_only_exit_is_taken(editor: LspEditor) -> None:
    """Requests get InvalidRequest; the exit status is 0."""
    await editor.shutdown_async(None)
    with pytest.raises(JsonRpcException) as reported:
        await editor.text_document_inline_completion_async(asked_at(0, 0))
    assert -32600 == reported.value.code
    editor.exit(None)
    assert 0 == await editor.exit_code()


async def test_before_initialize_only_initialize_is_taken(start: Start) -> None:
    """Requests get ServerNotInitialized; exit without shutdown is status 1."""
    editor = await start()
    with pytest.raises(JsonRpcException) as reported:
        await editor.ask("early", 0, 0)
    assert -32002 == reported.value.code
    await editor.introduce()
    editor.exit(None)
    assert 1 == await editor.exit_code()
