"""``$/progress`` while the engine loads, and what becomes of an engine that dies."""

from lsp_editor import Start
from lsprotocol import types

from lsp_server.config import SHIPPED_MODEL


async def test_a_bar_shows_that_the_model_is_loaded(start: Start) -> None:
    """It begins, reports, and ends when completions are there."""
    editor = await start(SCRIPTED_TEXT="21 + 21", SCRIPTED_START_DELAY_MS="50")
    await editor.introduce()
    await editor.wait_until_ready()
    (bar,) = editor.bars
    assert ["begin", "end"] == [bar[0], bar[-1]]
    assert {"report"} == set(bar[1:-1])
    editor.open("x = ")
    assert 1 == len(await editor.complete(0, 4))


async def test_an_editor_without_a_bar_gets_none(start: Start) -> None:
    """Nothing is sent that the editor did not say that it understands."""
    editor = await start(MODEL_PATH="no-such-model")
    await editor.introduce(window=None)
    await editor.wait(lambda: bool(editor.messages))
    assert {} == editor.progress_reports
    (shown,) = editor.messages
    assert types.MessageType.Error == shown.type
    assert "no-such-model" in shown.message
    assert SHIPPED_MODEL in shown.message


async def test_an_engine_that_dies_is_reported_once_and_comes_back(
    start: Start,
) -> None:
    """Every second request kills it; the user gets a message the first time only."""
    editor = await start(
        SCRIPTED_TEXT="21 + 21 + 21 + 21",
        SCRIPTED_DIE_AFTER_REQUESTS="2",
        COMPLETION_CANDIDATES="1",
        COMPLETION_CACHE="false",
    )
    await editor.introduce()
    await editor.wait_until_ready()
    editor.open("x = ")
    for deaths in (1, 2):
        assert 1 == len(await editor.complete(0, 4))
        assert [] == list(await editor.complete(0, 4))
        await editor.wait_until_ready(bars=deaths + 1)
    assert 1 == len(await editor.complete(0, 4))
    (shown,) = editor.messages
    assert types.MessageType.Warning == shown.type
    assert shown.message.endswith("It is being started again.")
    assert editor.log_messages
