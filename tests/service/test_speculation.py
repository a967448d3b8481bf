"""What is asked for next is there before it is asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from request_records import RequestRecords

from lsp_server.config import CompletionConfig
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.outcomes import CompletionResult, Source
from lsp_server.service.cached_completion import CachedCompletionService
from lsp_server.service.completion import CompletionService
from lsp_server.service.speculation import after_accepting
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Priority, Snapshot, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]
URI = "untitled:a"
CONFIG = CompletionConfig(speculation=True)


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(100):
        await asyncio.sleep(0)


class Writer:
    """An engine's pace: it writes so many tokens, and then no more."""

    def __init__(self, tokens: int) -> None:
        self._may_write = asyncio.Semaphore(tokens)

    async def __call__(self, _seconds: float) -> None:
        await self._may_write.acquire()


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


def speculating(
    make_service: MakeService,
    text: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    **options: object,
) -> tuple[CachedCompletionService, ScriptedEngine]:
    """Return a service that works ahead, and its engine."""
    inner, engine = make_service(text, sleep=sleep, config=CONFIG, **options)
    service = CachedCompletionService(inner, CONFIG, may_speculate=lambda: True)
    return service, engine


@pytest.mark.parametrize(
    ("marked", "text", "expected"),
    [
        ("x = |\n", "total", "x = total|\n"),
        ("x = |\n", "f(a)", "x = f(a)\n|\n"),
        (
            "def g():\n  if a:\n    x = |\n",
            "f(a)",
            "def g():\n  if a:\n    x = f(a)\n    |\n",
        ),
        ("x = f(|)\n", "a", "x = f(a|)\n"),
    ],
)
def test_the_cursor_goes_where_a_suggestion_comes_up_next(
    at_cursor: AtCursor, marked: str, text: str, expected: str
) -> None:
    """Behind the accepted text, or as far in as its line on the one below."""
    assert at_cursor(expected) == after_accepting(at_cursor(marked), text)


async def test_the_next_suggestion_is_there_at_once(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """It was generated at a lower priority, and is marked so."""
    metrics = RequestRecords()
    service, engine = speculating(make_service, "f(a)\n", metrics=metrics)
    await ask(service, at_cursor("x = |\n"))
    assert [Priority.AUTOMATIC, Priority.SPECULATIVE] == [
        each.priority for each in engine.requests
    ]
    result = await ask(service, at_cursor("x = f(a)\n|\n"))
    assert ["f(a)"] == [each.text for each in result.completions]
    assert [Source.ENGINE, Source.SPECULATION] == [
        each.timings.source for each in metrics.requests
    ]
    assert Priority.AUTOMATIC not in [each.priority for each in engine.requests[1:]]


async def test_an_accept_joins_what_is_being_generated(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """The speculation goes on, for the request."""
    writer = Writer(6)
    service, engine = speculating(make_service, "f(a)\n", writer)
    await ask(service, at_cursor("x = |\n"))
    asked = asyncio.create_task(ask(service, at_cursor("x = f(a)\n|\n")))
    await settle()
    assert not asked.done()
    for _ in range(40):
        writer._may_write.release()
    assert ["f(a)"] == [each.text for each in (await asked).completions]
    assert 1 == [each.priority for each in engine.requests].count(Priority.AUTOMATIC)


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [
        ("x = \n", True),
        ("x = f(\n", True),
        ("x = f(a)\n\n", True),
        ("x = g\n", False),
        ("x = f(\ny\n", False),
        ("# x\nx = f(\n", False),
        ("", False),
        (None, False),
    ],
)
async def test_it_ends_with_the_first_change_that_leads_elsewhere(
    make_service: MakeService, at_cursor: AtCursor, text: str | None, *, goes_on: bool
) -> None:
    """In the engine too, and when the document is closed."""
    service, engine = speculating(make_service, "f(a)\n", Writer(6))
    first = at_cursor("x = |\n")
    await ask(service, first)
    assert 1 == (await engine.health()).requests_in_flight
    aborted = engine.aborted
    now = None if text is None else replace(first, text=text, offset=0)
    service.document_changed(URI, None if now is None else lambda: now)
    await settle()
    assert goes_on is (aborted == engine.aborted)
    service.stop()
    await settle()
    assert 0 == (await engine.health()).requests_in_flight


async def test_one_document_has_one_and_a_request_elsewhere_ends_it(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """Typing through what is shown does not begin it again."""
    service, engine = speculating(make_service, "f(a)\n", Writer(6))
    await ask(service, at_cursor("x = |\n"))
    await ask(service, at_cursor("x = f|\n"))
    assert 2 == len(engine.requests)
    assert 1 == (await engine.health()).requests_in_flight
    assert "r.ahead" not in engine.aborted
    asked = asyncio.create_task(ask(service, at_cursor("y = |\n")))
    await settle()
    assert "r.ahead" in engine.aborted
    asked.cancel()
    await settle()


@pytest.mark.parametrize(
    ("config", "may"),
    [
        (CONFIG, False),
        (CompletionConfig(), True),
        (CompletionConfig(speculation=True, cache=False), True),
    ],
)
async def test_it_is_left_out_under_load_and_where_it_is_switched_off(
    make_service: MakeService,
    at_cursor: AtCursor,
    config: CompletionConfig,
    *,
    may: bool,
) -> None:
    """Without a cache its result could not be kept."""
    inner, engine = make_service("f(a)\n", config=config)
    service = CachedCompletionService(inner, config, may_speculate=lambda: may)
    await ask(service, at_cursor("x = |\n"))
    assert 1 == len(engine.requests)
