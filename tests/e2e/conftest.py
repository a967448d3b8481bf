"""Starts pytest-lsp's editors, each with a real server of its own."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from lsp_editor import LspEditor, Start


@pytest.fixture
async def start() -> AsyncGenerator[Start]:
    """Start servers with the scripted engine; settings are."""
    editors: list[LspEditor] = []

    async def start_one(**settings: str) -> LspEditor:
        editor = LspEditor()
        await editor.start(**settings)
        editors.append(editor)
        return editor

    yield start_one
    for editor in editors:
        await editor.put_down()


@pytest.fixture
async def editor(start: Start) -> LspEditor:
    """An editor whose server answers ``21 + 21`` and is ready."""
    made = await start(SCRIPTED_TEXT="21 + 21")
    await made.introduce()
    await made.wait_until_ready()
    return made
