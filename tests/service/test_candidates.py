"""An explicit request has several answers, and each is judged by itself."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace

import pytest

from lsp_server.config import CompletionConfig
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.outcomes import CompletionResult
from lsp_server.service.completion import CompletionService
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import GenerationRequest, Snapshot, TokenDelta, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]


async def complete(
    service: CompletionService,
    snapshot: Snapshot,
    *,
    trigger: Trigger = Trigger.INVOKED,
    typed: TypedAhead | None = None,
) -> CompletionResult:
    """Ask the service."""
    return await service.complete(
        snapshot, request_id="r1", trigger=trigger, typed=typed or TypedAhead()
    )


def texts(result: CompletionResult) -> list[str]:
    """The texts of a result, in order."""
    return [completion.text for completion in result.completions]


async def test_an_explicit_request_gets_different_answers_best_first(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """The likeliest is the first; nothing comes twice, not with other blanks either."""
    service, engine = make_service(
        "one\n",
        further=["two\n", "three\n", "three  \n", "one\n", "    \n"],
        probabilities=((0.5,), (0.4,), (0.6,), (0.9,), (0.9,), (0.9,)),
        config=CompletionConfig(candidates=6),
    )
    result = await complete(service, at_cursor("x = |\n"))
    assert ["three", "one", "two"] == texts(result)
    assert ["r1.2", "r1", "r1.1"] == [each.completion_id for each in result.completions]
    assert 6 == len(result.generated) == len(engine.requests)
    assert [0, 1, 2, 3, 4, 5] == [each.candidate for each in engine.requests]
    assert engine.requests[0].temperature == 0 < engine.requests[1].temperature


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("python", ["total", "a[:", "call(1"]),
        ("plaintext", ["a[:", "call(1", "total"]),
    ],
)
async def test_what_the_file_parses_with_comes_first(
    make_service: MakeService,
    at_cursor: AtCursor,
    language: str,
    expected: list[str],
) -> None:
    """However likely the others are; without a grammar, likelihood alone counts."""
    service, _ = make_service(
        "call(1\n",
        further=["total\n", "a[:\n"],
        probabilities=((0.5,), (0.4,), (0.6,)),
        config=CompletionConfig(candidates=3),
    )
    snapshot = replace(at_cursor("x = |\ny = 1\n"), language_id=language)
    assert expected == texts(await complete(service, snapshot))


async def test_an_automatic_request_gets_one(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """What nobody asked for costs one generation."""
    service, engine = make_service("one\n", further=["two\n"])
    result = await complete(service, at_cursor("x = |\n"), trigger=Trigger.AUTOMATIC)
    assert (["one"], 1) == (texts(result), len(engine.requests))


async def test_further_answers_do_not_keep_the_first_waiting(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """One that is still written long after the first has ended is given up."""
    service, engine = make_service("one\n", further=["t" * 40 + "\n", "two\n"])
    real = engine.generate

    async def slow_second(request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        async for delta in real(request):
            if request.candidate == 1:
                await asyncio.Event().wait()
            yield delta

    engine.generate = slow_second  # type: ignore[method-assign]  # the engine's pace
    async with asyncio.timeout(60):
        result = await complete(service, at_cursor("x = |\n"))
    assert ["one", "two"] == texts(result)


@pytest.mark.parametrize("first", ["", ")\n", "    \n"])
async def test_where_nothing_of_the_first_is_shown_the_others_are_waited_for(
    make_service: MakeService, at_cursor: AtCursor, first: str
) -> None:
    """However much sooner it ended: the user asked, and another has an answer."""
    service, engine = make_service(first, further=["two\n", "three\n"])
    real = engine.generate

    async def slow_others(request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        for _ in range(10_000 * request.candidate):
            await asyncio.sleep(0)
        async for delta in real(request):
            yield delta

    engine.generate = slow_others  # type: ignore[method-assign]  # the engine's pace
    assert "two" in texts(await complete(service, at_cursor("call(|)\n")))


@pytest.mark.parametrize(
    ("typed", "expected", "aborted"),
    [
        ("", {"data(1)", "date(1)"}, set()),
        ("d", {"data(1)", "date(1)"}, set()),
        ("data", {"data(1)"}, {"r1.1"}),
        ("date", {"date(1)"}, {"r1"}),
        ("x", set(), {"r1", "r1.1"}),
    ],
)
async def test_what_is_typed_ends_what_does_not_fit(
    make_service: MakeService,
    at_cursor: AtCursor,
    typed: str,
    expected: set[str],
    aborted: set[str],
) -> None:
    """At once, each candidate by itself, while the engine has more to come."""
    gate = asyncio.Event()
    waiting: list[None] = []

    async def sleep(_seconds: float) -> None:
        # The held blank and the first word come at once; then the user types.
        waiting.append(None)
        number = len(waiting)
        await asyncio.sleep(0)
        if number > 4:
            await gate.wait()

    service, engine = make_service(
        "data(1)\n",
        further=["date(1)\n"],
        sleep=sleep,
        config=CompletionConfig(candidates=2),
    )
    ahead = TypedAhead()
    asked = asyncio.create_task(complete(service, at_cursor("x = |\n"), typed=ahead))
    while len(waiting) < 6:  # noqa: ASYNC110 - the engine tells nobody how far it is
        await asyncio.sleep(0)
    ahead.type(typed)
    for _ in range(5):
        await asyncio.sleep(0)
    assert aborted == set(engine.aborted)
    if len(aborted) == 2:
        async with asyncio.timeout(60):
            await asked
    assert asked.done() is (len(aborted) == 2)
    gate.set()
    result = await asked
    assert expected == set(texts(result))
    if not expected:
        assert result.reason is not None
        assert "superseded" == result.reason.word


async def test_the_cancelled_request_takes_all_candidates_back(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """None of them is left in the engine."""
    began = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        began.set()
        await asyncio.Event().wait()

    service, engine = make_service("one\n", sleep=sleep)
    task = asyncio.create_task(complete(service, at_cursor("x = |\n")))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {"r1", "r1.1", "r1.2"} == set(engine.aborted)


@pytest.mark.parametrize(
    ("marked", "script", "expected"),
    [
        ("return tot|\n", {"text": "al\n"}, "al"),
        ("self.|\n", {"text": "value\n"}, "value"),
        ("x = 変|\n", {"text": "数\n"}, "数"),
        ("def f():\n    |\n", {"text": "return 1\n"}, "return 1"),
    ],
)
async def test_what_was_held_is_not_in_the_suggestion(
    make_service: MakeService,
    at_cursor: AtCursor,
    marked: str,
    script: Mapping[str, str],
    expected: str,
) -> None:
    """The engine begins with what was typed; only what goes on from it is shown."""
    service, engine = make_service(script["text"])
    result = await complete(service, at_cursor(marked), trigger=Trigger.AUTOMATIC)
    assert [expected] == texts(result)
    hold = engine.requests[0].hold
    assert hold is not None
    assert result.generated[0].startswith(hold.text)


@pytest.mark.parametrize("written", ["tal\n", "tal", "tal = 1\n", "al\n"])
async def test_inside_of_a_word_its_rest_is_not_said_again(
    make_service: MakeService, at_cursor: AtCursor, written: str
) -> None:
    """An explicit request there shows nothing that follows the cursor already."""
    service, engine = make_service(written)
    result = await complete(service, at_cursor("return to|tal\n"))
    assert engine.requests[0].hold is None
    document = [f"to{text}tal" for text in texts(result)]
    assert "totaltal" not in document
    if written.startswith("tal"):
        assert [] == document
