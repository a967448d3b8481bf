"""An idle engine reads the prompt for a place before the first key there."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from lsp_server.config import CompletionConfig
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.outcomes import CompletionResult
from lsp_server.service.cached_completion import CachedCompletionService
from lsp_server.service.completion import CompletionService
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Priority, Snapshot, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]
URI = "untitled:a"
FAR = "\n" * 20


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(100):
        await asyncio.sleep(0)


async def ask(service: CachedCompletionService, snapshot: Snapshot) -> CompletionResult:
    """Ask at a cursor of a document for which no rules of files are read."""
    result = await service.complete(
        replace(snapshot, uri=URI),
        request_id="r",
        trigger=Trigger.AUTOMATIC,
        typed=TypedAhead(),
    )
    await settle()
    return result


async def rest(
    service: CachedCompletionService, snapshot: Snapshot, request_id: str = "c"
) -> None:
    """Have the cursor rest in that document."""
    service.cursor_rested(replace(snapshot, uri=URI), request_id)
    await settle()


def read_ahead(engine: ScriptedEngine) -> int:
    """Return how often the engine has read a prompt that nobody asked for."""
    return [each.priority for each in engine.requests].count(Priority.PREWARM)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (["x = |\n"], 0),
        (["wo|rd = 1\n"], 1),
        (["wo|rd = 1\n", "wor|d = 1\n"], 2),
        (["wo|rd = 1\n", "wox|rd = 1\n"], 1),
        (["x = |\n1", f"x = 1{FAR}wo|rd\n"], 1),
        (["x = |rd\n", "x = 1\nwo|rd\n"], 1),
        (["x = |\ny = 2\n", "x = 1\nwo|rd\n"], 1),
        (["x = |\ny = 2\n", "x = 1\ny = |\n", "x = |\ny = 2\n"], 1),
        (["a\0|\n"], 0),
    ],
)
async def test_a_place_where_nothing_was_generated_is_read(
    make_service: MakeService, at_cursor: AtCursor, places: list[str], expected: int
) -> None:
    """Once, and not where the engine has read the text right of it just before."""
    inner, engine = make_service("total\n")
    service = CachedCompletionService(inner, CompletionConfig(), is_idle=lambda: True)
    for place in places:
        await ask(service, at_cursor(place))
    assert expected == read_ahead(engine)
    assert all(
        each.max_tokens == 1
        for each in engine.requests
        if each.priority is Priority.PREWARM
    )


async def test_the_next_request_finds_the_prompt_read(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """What was read is the beginning of its prompt, but for the key."""
    inner, engine = make_service("1\n")
    service = CachedCompletionService(inner, CompletionConfig(), is_idle=lambda: True)
    above = "a = 1\nb = 2\n"
    await ask(service, at_cursor(f"{above}word = f()|\n"))
    result = await ask(service, at_cursor(f"{above}word = f() |\n"))
    read, asked = engine.requests
    # An engine of several machines has both on the same one.
    assert read.document == asked.document == "untitled:a"
    assert (Priority.PREWARM, Priority.AUTOMATIC) == (read.priority, asked.priority)
    assert result.timings is not None
    assert result.timings.cached_tokens > 8


async def test_a_request_ends_it(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """It is taken back in the engine, before the request gets there."""

    async def never(_seconds: float) -> None:
        await asyncio.Event().wait()

    inner, engine = make_service("1\n", sleep=never)
    service = CachedCompletionService(inner, CompletionConfig(), is_idle=lambda: True)
    await ask(service, at_cursor("wo|rd = 1\n"))
    assert 1 == len(engine.requests)
    asked = asyncio.create_task(ask(service, at_cursor("x = |\n")))
    for _ in range(50):
        await asyncio.sleep(0)
    assert ("r.read",) == engine.aborted
    asked.cancel()
    await asyncio.wait([asked])


@pytest.mark.parametrize(
    ("config", "is_idle"),
    [(CompletionConfig(), False), (CompletionConfig(prewarm=False), True)],
)
async def test_a_busy_engine_is_left_alone(
    make_service: MakeService,
    at_cursor: AtCursor,
    config: CompletionConfig,
    *,
    is_idle: bool,
) -> None:
    """So is an idle one, if a setting says so."""
    inner, engine = make_service("1\n", config=config)
    service = CachedCompletionService(inner, config, is_idle=lambda: is_idle)
    await ask(service, at_cursor("wo|rd = 1\n"))
    await rest(service, at_cursor("x = |\n"))
    assert () == engine.requests


async def test_a_place_where_the_cursor_rests_is_read(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """Also a line below the last one, whose prompt is another; none of them twice."""
    inner, engine = make_service("1\n")
    service = CachedCompletionService(inner, CompletionConfig(), is_idle=lambda: True)
    await ask(service, at_cursor("a = |\nb = 2\nc = 3\n"))
    await rest(service, at_cursor("a = |\nb = 2\nc = 3\n"))
    assert 0 == read_ahead(engine)
    await rest(service, at_cursor("a = 1\nb = 2|\nc = 3\n"))
    await rest(service, at_cursor("a = 1\nb = 2|\nc = 3\n"))
    assert 1 == read_ahead(engine)
    result = await ask(service, at_cursor("a = 1\nb = |\nc = 3\n"))
    assert result.timings is not None
    assert result.timings.cached_tokens > 8


async def test_the_place_before_is_given_up(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """What is read there does not count as work of the engine."""

    async def never(_seconds: float) -> None:
        await asyncio.Event().wait()

    inner, engine = make_service("1\n", sleep=never)
    service = CachedCompletionService(
        inner,
        CompletionConfig(),
        is_idle=lambda: len(engine.requests) == len(engine.aborted),
    )
    await rest(service, at_cursor("a = |\nb\n"), "c1")
    await rest(service, at_cursor("a = 1\nb|\n"), "c2")
    assert ["c1.read"] == list(engine.aborted)
    assert ["c1.read", "c2.read"] == [each.request_id for each in engine.requests]
    service.stop()
    await settle()
    assert ["c1.read", "c2.read"] == list(engine.aborted)


async def test_context_is_there_before_the_prompt_is_read(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """Snippets that came later would change the prompt's beginning."""
    inner, engine = make_service("1\n")
    ready, prepared = asyncio.Event(), list[Snapshot]()

    async def prepare(cursor: Snapshot) -> None:
        prepared.append(cursor)
        await ready.wait()

    service = CachedCompletionService(
        inner, CompletionConfig(), is_idle=lambda: True, prepare=prepare
    )
    await rest(service, at_cursor("x = |\n"))
    assert [URI] == [each.uri for each in prepared]
    assert 0 == read_ahead(engine)
    ready.set()
    await settle()
    assert 1 == read_ahead(engine)
