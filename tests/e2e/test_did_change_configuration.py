"""Settings from the editor: applied where they can be, told where they are wrong."""

import pytest
from lsp_editor import LspEditor, Start


async def test_settings_hold_from_the_next_request_on(editor: LspEditor) -> None:
    """Switched off there are no completions, switched on again there are."""
    editor.open("x = ")
    for enabled, items in ((False, 0), (True, 1)):
        editor.configure({"midfill": {"completion": {"enabled": enabled}}})
        assert items == len(await editor.complete(0, 4))
    # Editors that only say that something has changed send null.
    editor.configure(None)
    assert 1 == len(await editor.complete(0, 4))
    assert [] == editor.messages


WRONG = {"completion": {"maxLineTokens": "many", "debounce": 3}}


@pytest.mark.parametrize(("first", "later"), [(WRONG, {}), ({}, WRONG)])
async def test_wrong_settings_are_told_once_and_do_no_harm(
    start: Start, first: object, later: object
) -> None:
    """At the start or later: one message names key, value and what is accepted."""
    editor = await start(SCRIPTED_TEXT="21 + 21")
    await editor.introduce(options=first)
    await editor.wait_until_ready()
    editor.open("x = ")
    for _ in range(3):
        editor.configure(later)
        assert 1 == len(await editor.complete(0, 4))
    (message,) = [shown.message for shown in editor.messages]
    for part in ("many", "debounce", "max_line_tokens"):
        assert part in message


async def test_what_waits_for_a_restart_is_told(editor: LspEditor) -> None:
    """Nobody wonders why a changed model changes nothing."""
    editor.configure({"midfill": {"model": {"path": "another"}}})
    editor.open("x = ")
    assert 1 == len(await editor.complete(0, 4))
    (message,) = [shown.message for shown in editor.messages]
    assert "restarted" in message
