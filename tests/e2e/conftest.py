"""Starts pytest-lsp's editors, each with a real server of its own."""

import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from daemons import daemon_home
from lsp_editor import LspEditor, Start


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """How servers get their engine: ``own`` in tests that do not say, or ``attached``.

    The environment of a server, which in the second case has a daemon of this test's.
    """
    if getattr(request, "param", "own") == "own":
        yield {}
    else:
        with daemon_home() as home:
            yield home.environment


@pytest.fixture
async def start(way: dict[str, str]) -> AsyncGenerator[Start]:
    """Start servers with the scripted engine; settings are."""
    editors: list[LspEditor] = []

    async def start_one(**settings: str) -> LspEditor:
        editor = LspEditor()
        await editor.start(way, **settings)
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
