"""An editor's documents, and a provider that a test steers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from lsp_server.project.project import Project
from lsp_server.project.provider import (
    DocumentClosed,
    DocumentOpened,
    Event,
    FoldersChanged,
    Provider,
    Query,
)
from lsp_server.values import Snapshot, Snippet

ROOT = "file:///w"


def document(uri: str, text: str, *, offset: int = 0, version: int = 1) -> Snapshot:
    """Return a document."""
    return Snapshot(
        uri=uri, language_id="python", version=version, text=text, offset=offset
    )


@dataclass
class FakeProvider:
    """Answers with what the test says, under the name of a switch."""

    answers: list[Snippet] = field(default_factory=list)
    name: str = "open_tabs"
    importance: float = 1.0
    budget_chars: int = 10_000
    deadline_ms: int = 60_000
    events: list[Event] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    closed: int = 0

    def take(self, event: Event) -> None:
        self.events.append(event)

    async def gather(self, query: Query) -> Sequence[Snippet]:
        self.queries.append(query)
        return self.answers

    async def close(self) -> None:
        self.closed += 1


class HangingProvider(FakeProvider):
    """Never answers."""

    async def gather(self, query: Query) -> Sequence[Snippet]:
        self.queries.append(query)
        await asyncio.Event().wait()
        return ()


class RaisingProvider(FakeProvider):
    """Fails at everything."""

    def take(self, _event: Event) -> None:
        raise ZeroDivisionError("secret = 1")

    async def gather(self, _query: Query) -> Sequence[Snippet]:
        raise ZeroDivisionError("secret = 1")


class ProjectEditor:
    """Opens and closes documents of one project, and asks at a cursor."""

    def __init__(self, *providers: Provider) -> None:
        self.project = Project(providers, pause_s=60)
        self.texts: dict[str, Snapshot] = {}
        self.project.take(FoldersChanged(folders=(ROOT,)))

    def open(self, uri: str, text: str) -> Snapshot:
        self.texts[uri] = opened = document(uri, text)
        self.project.take(DocumentOpened(uri=uri, read=lambda: self.texts.get(uri)))
        return opened

    def close(self, uri: str) -> None:
        del self.texts[uri]
        self.project.take(DocumentClosed(uri=uri))

    async def gathered(self, cursor: Snapshot) -> tuple[Snippet, ...]:
        """Return the snippets once there is nothing more to gather."""
        self.project.snippets_for(cursor)
        await self.project.settle()
        return self.project.snippets_for(cursor)
