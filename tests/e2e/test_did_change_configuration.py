"""Settings from the editor: applied where they can be, else reported."""

import pytest
from lsp_editor import LspEditor, Start


async def test_settings_hold_from_the_next_request_on(editor: LspEditor) -> None:
    """Switched off there are no completions, switched on again there are."""
    editor.open("x = ")
    for enabled, items in ((False, 0), (True, 1)):
        editor.configure({"midfill": {"completion": {"enabled": enabled}}})
        assert items == len(await editor.complete(0, 4))
    # Editors that only say that something has changed send null, and those that send
    # one object to every server the settings of others.
    nothing: list[object] = [None, {"midfill": None}, {"gopls": {"x": 1}}, [], {}]
    for settings in nothing:
        editor.configure(settings)
        assert 1 == len(await editor.complete(0, 4))
    assert [] == editor.messages


WRONG = {"completion": {"maxLineTokens": "many", "debounce": 3}}


@pytest.mark.parametrize(("first", "later"), [(WRONG, {}), ({}, WRONG)])
async def test_wrong_settings_are_reported_once_and_do_no_harm(
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
    for part in ("many", "debounce", "maxLineTokens"):
        assert part in message


async def test_what_waits_for_a_restart_is_reported(editor: LspEditor) -> None:
    """Nobody wonders why a changed model changes nothing."""
    editor.configure({"midfill": {"model": {"path": "another"}}})
    editor.open("x = ")
    assert 1 == len(await editor.complete(0, 4))
    (message,) = [shown.message for shown in editor.messages]
    assert "restarted" in message


TOGETHER = {"midfill": {"completion": {"maxLineTokens": 5000}}}


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (TOGETHER, None),
        ({}, TOGETHER),
        ({}, {"midfill": {"engine": {"maxModelLen": 100}}}),
        ({"midfill": {"engine": {"maxModelLen": 9999}}}, None),
    ],
)
async def test_settings_that_cannot_work_together_cost_no_completion(
    start: Start, first: object, later: object
) -> None:
    """One message says so, at the start or later, and completions go on."""
    editor = await start(SCRIPTED_TEXT="21 + 21")
    await editor.introduce(options=first)
    await editor.wait_until_ready()
    editor.open("x = ")
    for _ in range(2):
        editor.configure(later)
        assert 1 == len(await editor.complete(0, 4))
    (message,) = [shown.message for shown in editor.messages]
    assert "cannot work together" in message


@pytest.mark.parametrize(
    "engine", [{"maxModelLen": 256}, {"kind": "vllm"}, {"maxRestarts": 0}]
)
async def test_the_engine_changes_at_the_restart_and_not_before(
    start: Start, engine: dict[str, object]
) -> None:
    """Prompts are built, and a dead engine is restarted, as it was started."""
    editor = await start(SCRIPTED_TEXT="21 + 21", SCRIPTED_DIE_AFTER_REQUESTS="2")
    await editor.introduce()
    await editor.wait_until_ready()
    editor.open("x = 1\n" * 400 + "x = ")
    assert 1 == len(await editor.complete(400, 4))
    editor.configure({"midfill": {"engine": engine}})
    # The engine dies in this request, and the one behind it has its old settings.
    await editor.complete(400, 4)
    await editor.wait_until_ready(bars=2)
    assert 1 == len(await editor.complete(400, 4))
    assert any("restarted" in shown.message for shown in editor.messages)
