"""Projects whose editor and providers a test steers."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lsp_server.config import ContextConfig
from lsp_server.project.provider import Provider

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from project_editor import ProjectEditor

Open = Callable[..., ProjectEditor]


@pytest.fixture
async def open_project() -> AsyncIterator[Open]:
    """Make projects with these providers; each is closed in the end."""
    made: list[ProjectEditor] = []

    def make(
        *providers: Provider, config: ContextConfig | None = None
    ) -> ProjectEditor:
        made.append(ProjectEditor(*providers))
        made[-1].project.configure(config or ContextConfig())
        return made[-1]

    yield make
    for each in made:
        await each.project.close()
