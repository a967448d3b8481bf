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


@pytest.fixture(autouse=True)
def patient_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing left out because the machine is busy."""
    monkeypatch.setattr("lsp_server.project.definitions.tags._MOST_S", 60.0)
    monkeypatch.setattr("lsp_server.project.definitions.provider._READING_S", 60.0)
    monkeypatch.setattr("lsp_server.project.definitions.provider._LOOKING_S", 60.0)
    monkeypatch.setattr("lsp_server.project.index.search._BUSY_S", 60.0)


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
