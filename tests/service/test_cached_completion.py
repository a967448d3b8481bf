"""A request is answered from the cache where its answer still holds there."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from request_records import RequestRecords

from lsp_server.config import CompletionConfig
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.outcomes import CompletionResult, Source
from lsp_server.service import reasons
from lsp_server.service.cached_completion import CachedCompletionService
from lsp_server.service.completion import CompletionService
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]
PassTime = Callable[[float], None]
AUTOMATIC, INVOKED = Trigger.AUTOMATIC, Trigger.INVOKED
DEADLINE_MS = 60_000


async def ask(
    service: CachedCompletionService, snapshot: Snapshot, trigger: Trigger = AUTOMATIC
) -> CompletionResult:
    """Ask at a cursor."""
    return await service.complete(
        snapshot, request_id="r", trigger=trigger, typed=TypedAhead()
    )


def texts(result: CompletionResult) -> list[str]:
    """Return the texts of a result."""
    return [each.text for each in result.completions]


@pytest.mark.parametrize(
    ("generated", "marked", "then"),
    [
        (
            "total + 1\n",
            "x = |\n",
            [("x = t|\n", "otal + 1"), ("x = |\n", "total + 1")],
        ),
        ("f(a) or b\n", "x = |\n", [("x = f(a)|\n", " or b")]),
        (
            "b = a\n    return b\n\n\ndef g():\n",
            "def f(a):\n    |\n\nx = 1\n",
            [
                ("def f(a):\n    b = |\n\nx = 1\n", "a\n    return b"),
                ("def f(a):\n    b = a\n    |\n\nx = 1\n", "return b"),
            ],
        ),
        ("a, b)\n", "x = f(|)\n", [("x = f(a,|)\n", " b")]),
    ],
)
async def test_what_is_typed_through_is_not_generated_again(
    make_service: MakeService,
    at_cursor: AtCursor,
    generated: str,
    marked: str,
    then: list[tuple[str, str]],
) -> None:
    """The rest is offered, as far as the block, also where nothing new would be."""
    metrics = RequestRecords()
    inner, engine = make_service(generated, metrics=metrics)
    service = CachedCompletionService(inner, CompletionConfig())
    await ask(service, at_cursor(marked))
    for now, rest in then:
        result = await ask(service, at_cursor(now))
        assert [rest] == texts(result)
        (completion,) = result.completions
        assert completion.start == completion.end == now.index("|")
        assert Source.CACHE is completion.timings.source
        assert 0 == completion.timings.output_tokens
        assert "test-model" == result.model
    assert 1 == len(engine.requests)
    sources = [record.timings.source for record in metrics.requests]
    assert [Source.ENGINE, *[Source.CACHE] * len(then)] == sources


@pytest.mark.parametrize(
    "now",
    [
        "x = s|\n",
        "x = total + 1|\n",
        "y = 1\nx = t|\n",
        "x = t|\ny = 1\n",
        "x = t|al + 1\n",
    ],
)
async def test_a_key_that_diverges_is_generated_for(
    make_service: MakeService, at_cursor: AtCursor, now: str
) -> None:
    """So is a suggestion typed to its end, and an edit above or below."""
    inner, engine = make_service("total + 1\n")
    service = CachedCompletionService(inner, CompletionConfig())
    await ask(service, at_cursor("x = |\n"))
    result = await ask(service, at_cursor(now), INVOKED)
    assert result.timings is not None
    assert Source.ENGINE is result.timings.source
    assert len(engine.requests) > 1


async def test_a_setting_turns_it_off(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """Then every key is generated for."""
    config = CompletionConfig(cache=False)
    inner, engine = make_service("total\n", config=config)
    service = CachedCompletionService(inner, config)
    for _ in range(2):
        assert ["total"] == texts(await ask(service, at_cursor("x = |\n")))
    assert 2 == len(engine.requests)


async def test_an_explicit_request_gets_its_candidates(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """Not the single line of before; all of them the next time, or those that fit."""
    inner, engine = make_service("total\n", further=["tops\n", "size\n"])
    service = CachedCompletionService(inner, CompletionConfig())
    assert ["total"] == texts(await ask(service, at_cursor("x = |\n")))
    for _ in range(2):
        result = await ask(service, at_cursor("x = |\n"), INVOKED)
        assert {"total", "tops", "size"} == set(texts(result))
        assert 3 == len({each.completion_id for each in result.completions})
    assert 4 == len(engine.requests)
    result = await ask(service, at_cursor("x = t|\n"), INVOKED)
    assert {"otal", "ops"} == set(texts(result))
    assert ["otal"] == texts(await ask(service, at_cursor("x = t|\n")))
    assert 4 == len(engine.requests)


async def test_a_place_without_a_suggestion_is_remembered(
    make_service: MakeService, at_cursor: AtCursor, pass_time: PassTime
) -> None:
    """Unless another try may have more luck, or there was no time for it."""
    blank, line = "   \n", at_cursor("x = |\n")
    inner, engine = make_service(blank)
    service = CachedCompletionService(inner, CompletionConfig())
    first, second = await ask(service, line), await ask(service, line)
    assert first.reason is second.reason is not None
    assert 1 == len(engine.requests)

    async def sleep(_seconds: float) -> None:
        if engine.requests and config.deadline_ms == DEADLINE_MS:
            pass_time(DEADLINE_MS / 1e3)
            await asyncio.Event().wait()

    for config in (
        CompletionConfig(temperature=0.5),
        CompletionConfig(deadline_ms=DEADLINE_MS),
    ):
        inner, engine = make_service(blank, config=config, sleep=sleep)
        service = CachedCompletionService(inner, config)
        await ask(service, line)
        await ask(service, line)
        assert 2 == len(engine.requests)


async def test_the_rules_of_a_place_hold_for_what_is_cached(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """What was asked for by hand within a word is nothing to show by itself there."""
    config = CompletionConfig(candidates=1)
    inner, engine = make_service("rd_count\n", config=config)
    service = CachedCompletionService(inner, config)
    inside = at_cursor("wo|rd = 1\n")
    await ask(service, inside, INVOKED)
    assert reasons.INSIDE_WORD is (await ask(service, inside)).reason
    assert ["d_count"] == texts(await ask(service, at_cursor("wor|rd = 1\n")))
    large = replace(inside, text=inside.text + "\0")
    assert reasons.BINARY is (await ask(service, large)).reason
    assert 1 == len(engine.requests)


async def test_what_was_cut_at_the_deadline_is_not_kept(
    make_service: MakeService, at_cursor: AtCursor, pass_time: PassTime
) -> None:
    """The next request may have more time for it."""
    config = CompletionConfig(deadline_ms=DEADLINE_MS)

    async def sleep(_seconds: float) -> None:
        if engine.requests and not next(quick, False):
            pass_time(DEADLINE_MS / 1e3)
            await asyncio.Event().wait()

    quick = iter([True] * 4)
    inner, engine = make_service("total + 1\n", config=config, sleep=sleep)
    service = CachedCompletionService(inner, config)
    assert texts(await ask(service, at_cursor("x = |\n")))
    await ask(service, at_cursor("x = |\n"))
    assert 2 == len(engine.requests)


async def test_the_filters_see_the_document_as_it_is(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """Also where a line that makes the text a repetition has come far below."""
    inner, engine = make_service("total = 12345\n")
    service = CachedCompletionService(inner, CompletionConfig())
    blank = "\n" * 40
    assert texts(await ask(service, at_cursor(f"|{blank}x = 1\n"), INVOKED))
    await ask(service, at_cursor(f"|{blank}total = 12345\n"), INVOKED)
    assert 6 == len(engine.requests)


async def test_services_do_not_share_what_they_have(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """A connection never sees what another one was suggested."""
    inner, engine = make_service("total\n")
    for _ in range(2):
        service = CachedCompletionService(inner, CompletionConfig())
        await ask(service, at_cursor("x = |\n"))
    assert 2 == len(engine.requests)


@pytest.mark.parametrize(
    ("probabilities", "part"), [((1, 1, 0.1), ["total ="]), ((0.1,), [])]
)
async def test_who_asks_by_hand_gets_what_was_not_sure(
    make_service: MakeService,
    at_cursor: AtCursor,
    probabilities: tuple[float, ...],
    part: list[str],
) -> None:
    """What was cut for others is kept for them alone."""
    config = CompletionConfig(candidates=1)
    inner, engine = make_service(
        "total = first\n", probabilities=(probabilities,), config=config
    )
    service = CachedCompletionService(inner, config)
    for _ in range(2):
        assert part == texts(await ask(service, at_cursor("x = |\n")))
    assert 1 == len(engine.requests)
    for trigger in (INVOKED, INVOKED, AUTOMATIC):
        by_hand = await ask(service, at_cursor("x = |\n"), trigger)
        assert ["total = first"] == texts(by_hand)
    assert 2 == len(engine.requests)
