"""A request joins the generation of the one before, where its text goes on from it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from request_records import RequestRecords

from lsp_server.config import CompletionConfig
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.metrics import Outcome
from lsp_server.outcomes import CompletionResult, Source
from lsp_server.service.cached_completion import CachedCompletionService
from lsp_server.service.completion import CompletionService
from lsp_server.service.inflight import Inflight
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]
URI = "untitled:a"


class Typist:
    """Asks anew at each key, as editors do; the engine writes when it is let."""

    def __init__(self, make_service: MakeService, text: str) -> None:
        self._may_write = asyncio.Semaphore(0)
        self.metrics = RequestRecords()
        inner, self.engine = make_service(text, sleep=self._wait, metrics=self.metrics)
        self.service = CachedCompletionService(inner, CompletionConfig())
        self.inflight: Inflight[CompletionResult] = Inflight()
        self.typed = TypedAhead()

    async def _wait(self, _seconds: float) -> None:
        await self._may_write.acquire()

    async def write(self, tokens: int) -> None:
        """Let the engine write so many tokens, and wait until they are there."""
        for _ in range(tokens):
            self._may_write.release()
        await self.settle()

    async def settle(self) -> None:
        """Let everything happen that can."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def ask(
        self, snapshot: Snapshot, trigger: Trigger = Trigger.AUTOMATIC
    ) -> asyncio.Task[CompletionResult | None]:
        """Ask at a cursor; that supersedes what was asked before.

        No rules of files are read for it, which would take a thread its time.
        """
        snapshot = replace(snapshot, uri=URI)
        self.typed = typed = TypedAhead()
        task = asyncio.create_task(
            self.inflight.run(
                snapshot.uri,
                lambda: self.service.complete(
                    snapshot,
                    request_id=f"r{len(self.metrics.requests)}",
                    trigger=trigger,
                    typed=typed,
                ),
            )
        )
        await self.settle()
        return task


@pytest.fixture
def typist(make_service: MakeService) -> Typist:
    """A typist whose engine writes ``total = one + two``."""
    return Typist(make_service, "total + one + two + three\n")


def texts(result: CompletionResult | None) -> list[str]:
    """Return the texts of a result."""
    return [each.text for each in result.completions] if result is not None else []


async def test_a_key_that_fits_joins_what_is_being_written(
    typist: Typist, at_cursor: AtCursor
) -> None:
    """One generation serves three keys; the newest one gets the rest."""
    first = await typist.ask(at_cursor("x = |\n"))
    await typist.write(4)
    second = await typist.ask(at_cursor("x = t|\n"))
    third = await typist.ask(at_cursor("x = tot|\n"))
    await typist.write(30)
    assert [] == texts(await first) == texts(await second)
    result = await third
    assert ["al + one + two + three"] == texts(result)
    assert result is not None
    assert result.prompt is not None
    assert 1 == len(typist.engine.requests)
    assert () == typist.engine.aborted[1:]
    *superseded, done = typist.metrics.requests
    assert [Outcome.SUPERSEDED] * 2 == [each.outcome for each in superseded]
    assert [0, 0] == [each.timings.output_tokens for each in superseded]
    assert [0, 0] == [each.saved_tokens for each in superseded]
    assert (Outcome.COMPLETED, Source.JOIN) == (done.outcome, done.timings.source)
    assert done.timings.output_tokens > 4
    assert done.timings.prompt_tokens > 4


@pytest.mark.parametrize(
    ("now", "trigger"),
    [
        ("x = s|\n", Trigger.AUTOMATIC),
        ("x = t|\ny = 1\n", Trigger.AUTOMATIC),
        ("y = 1\nx = t|\n", Trigger.AUTOMATIC),
        ("x =|\n", Trigger.AUTOMATIC),
        ("x = t|\n", Trigger.INVOKED),
    ],
)
async def test_what_diverges_is_begun_anew_and_the_old_ends_in_the_engine(
    typist: Typist, at_cursor: AtCursor, now: str, trigger: Trigger
) -> None:
    """So is what was asked for by hand: it has several candidates."""
    first = await typist.ask(at_cursor("x = |\n"))
    await typist.write(4)
    _ = await typist.ask(at_cursor(now), trigger)
    assert [] == texts(await first)
    assert ("r0",) == typist.engine.aborted
    assert len(typist.engine.requests) > 1
    await typist.inflight.close()


async def test_another_language_is_begun_anew(
    typist: Typist, at_cursor: AtCursor
) -> None:
    """The text may be the same."""
    _ = await typist.ask(at_cursor("x = |\n"))
    await typist.write(4)
    _ = await typist.ask(replace(at_cursor("x = t|\n"), language_id="lua"))
    assert ("r0",) == typist.engine.aborted
    await typist.inflight.close()


async def test_nothing_is_joined_before_the_first_token(
    typist: Typist, at_cursor: AtCursor
) -> None:
    """It is not known then whether the text will fit."""
    _ = await typist.ask(at_cursor("x = |\n"))
    _ = await typist.ask(at_cursor("x = t|\n"))
    assert 2 == len(typist.engine.requests)
    await typist.inflight.close()


async def test_what_is_typed_after_joining_counts(
    typist: Typist, at_cursor: AtCursor
) -> None:
    """A key that does not fit ends the generation, whoever waits for it."""
    _ = await typist.ask(at_cursor("x = |\n"))
    await typist.write(4)
    second = await typist.ask(at_cursor("x = t|\n"))
    typist.typed.type("o")
    await typist.settle()
    assert () == typist.engine.aborted
    typist.typed.type("ox")
    await typist.settle()
    assert "r0" in typist.engine.aborted
    typist.inflight.supersede(URI)
    assert await second is None
    await typist.inflight.close()
    assert 0 == (await typist.engine.health()).requests_in_flight


async def test_the_last_one_that_waits_ends_it(
    typist: Typist, at_cursor: AtCursor
) -> None:
    """An edit elsewhere or a close leaves nothing running, and saves its tokens."""
    _ = await typist.ask(at_cursor("x = |\n"))
    await typist.write(4)
    second = await typist.ask(at_cursor("x = t|\n"))
    typist.inflight.supersede(URI)
    assert await second is None
    await typist.inflight.close()
    assert ("r0",) == typist.engine.aborted
    assert 0 == (await typist.engine.health()).requests_in_flight
    assert [0, True] == [each.saved_tokens > 0 for each in typist.metrics.requests]


async def test_a_generation_that_stops_short_of_the_key_is_begun_anew(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """What was typed is all that it wrote."""
    typist = Typist(make_service, "total\n")
    _ = await typist.ask(at_cursor("x = |\n"))
    await typist.write(2)
    second = await typist.ask(at_cursor("x = total|\n"))
    await typist.write(30)
    result = await second
    assert result is not None
    assert 2 == len(typist.engine.requests)


@pytest.mark.parametrize("turns", range(12))
async def test_what_is_being_ended_is_not_joined(
    typist: Typist, at_cursor: AtCursor, turns: int
) -> None:
    """However far its end is when the next request comes, that one is answered."""
    first = await typist.ask(at_cursor("x = |\n"))
    await typist.write(4)

    first.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    second = await typist.ask(at_cursor("x = total|\n"))
    await typist.write(60)

    assert texts(await second)
