"""``$/cancelRequest``: the request ends, in the editor and in the engine."""

import pytest
from lsp_editor import Start
from pygls.exceptions import JsonRpcRequestCancelled

pytestmark = pytest.mark.parametrize("way", ["own", "attached"], indirect=True)


async def test_a_cancelled_request_ends_at_once(start: Start) -> None:
    """It is answered with RequestCancelled although its answer takes hours."""
    editor = await start(SCRIPTED_TEXT="21 + 21", SCRIPTED_TOKEN_DELAY_MS="3600000")
    await editor.introduce()
    await editor.wait_until_ready()
    editor.open("x = ")
    asked = editor.ask("slow", 0, 4)
    editor.cancel("slow")
    editor.cancel("slow")
    editor.cancel("nobody asked")
    with pytest.raises(JsonRpcRequestCancelled):
        await asked
    await editor.shutdown_session()
    assert 0 == await editor.exit_code()
