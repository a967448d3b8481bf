"""A snapshot goes in, a finished suggestion comes out, with what it cost."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from lsp_server.completion_config import Eagerness
from lsp_server.config import CompletionConfig
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.errors import EngineDeadError
from lsp_server.service import reasons
from lsp_server.service.completion import CompletionService
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

AtCursor = Callable[[str], Snapshot]
PassTime = Callable[[float], None]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]


async def complete(
    service: CompletionService, snapshot: Snapshot, trigger: Trigger = Trigger.INVOKED
) -> str | None:
    """Return the text of the one completion; None where there is none."""
    result = await service.complete(
        snapshot, request_id="r1", trigger=trigger, typed=TypedAhead()
    )
    completions = result.completions
    return completions[0].text if completions else None


@pytest.mark.parametrize(
    ("marked", "generated", "expected"),
    [
        ("x = |\n", "1 + 2\ny = 3\n", "1 + 2"),
        ("f(|)\n", "a, b)\n", "a, b"),
        (
            "def f(a):\n    |\n\nx = 1\n",
            "b = a\n    return b\n\n\ndef g():\n",
            "b = a\n    return b",
        ),
        ('print("é🚄", |)\r\n', "end='')\r\n", "end=''"),
        ("x = |\n", "   \n", None),
    ],
)
async def test_a_text_is_made_a_suggestion(
    make_service: MakeService,
    at_cursor: AtCursor,
    marked: str,
    generated: str,
    expected: str | None,
) -> None:
    """The scope ends it, and nothing that follows the cursor is said again."""
    service, _ = make_service(generated)
    assert expected == await complete(service, at_cursor(marked))


@pytest.mark.parametrize(
    ("language", "marked", "generated", "by_hand", "by_itself"),
    [
        ("python", "x = 1|\n", "\ny = 2\n\n\nz", "\ny = 2", None),
        ("lua", "if x then|\nend\n", "\n  y()\nend\n", "\n  y()", "\n  y()"),
        ("yaml", "a:|\n", "\n  - b\nc: 1\n", "\n  - b", "\n  - b"),
        ("go", "x := 1|\n", "\ny := 2\n\n\nz", "\ny := 2", None),
        ("rust", "if a |\n", "{\n    b();\n}\nc", "{\n    b();\n}", "{\n    b();\n}"),
        ("typescript", "f(|)\n", "\n  a,\n)", None, None),
        ("shellscript", "ls |\n", "-l\nrm\n", "-l", "-l"),
        ("markdown", "One|\n", "\ntwo.\n\nThree", "\ntwo.", None),
    ],
)
async def test_how_much_is_completed(
    make_service: MakeService,
    at_cursor: AtCursor,
    *,
    language: str,
    marked: str,
    generated: str,
    by_hand: str | None,
    by_itself: str | None,
) -> None:
    """By hand it may begin on the next line; else only where a block is missing.

    Whoever asks by hand gets an answer or the reason.
    """
    config = CompletionConfig(candidates=1, eagerness=Eagerness.ALWAYS)
    service, _ = make_service(generated, config=config)
    snapshot = replace(at_cursor(marked), language_id=language)
    assert by_hand == await complete(service, snapshot)
    assert by_itself == await complete(service, snapshot, Trigger.AUTOMATIC)
    result = await service.complete(
        snapshot, request_id="r2", trigger=Trigger.INVOKED, typed=TypedAhead()
    )
    assert (result.reason is None) is bool(result.completions)


@pytest.mark.parametrize("language", ["python", "typescript", "json", "markdown", "x"])
@pytest.mark.parametrize("marked", ["|", "\n|\n", "  |\r\n\t\n"])
async def test_in_an_empty_file_nothing_comes_by_itself(
    make_service: MakeService, at_cursor: AtCursor, language: str, marked: str
) -> None:
    """In every language, however eager: the reason says how to get one."""
    config = CompletionConfig(candidates=1, eagerness=Eagerness.ALWAYS)
    service, engine = make_service("x = 1\n", config=config)
    snapshot = replace(at_cursor(marked), language_id=language)
    result = await service.complete(
        snapshot, request_id="r1", trigger=Trigger.AUTOMATIC, typed=TypedAhead()
    )
    assert ((), reasons.EMPTY_DOCUMENT) == (result.completions, result.reason)
    assert () == engine.requests
    assert "x = 1" == await complete(service, snapshot)


async def test_a_completion_knows_its_place_and_cost(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """It is inserted at the cursor; its times and token counts are the engine's."""
    service, _ = make_service("1\n")
    result = await service.complete(
        at_cursor("x = |\n"),
        request_id="r7",
        trigger=Trigger.AUTOMATIC,
        typed=TypedAhead(),
    )
    (completion,) = result.completions
    assert ("r7", 4, 4) == (completion.completion_id, completion.start, completion.end)
    timings = completion.timings
    assert timings.ttft_ms is not None
    assert 0 < timings.ttft_ms <= timings.total_ms
    assert timings.prompt_tokens > 4
    # Two of the text, and the blank that was held.
    assert timings.output_tokens == 3


async def test_the_generation_is_aborted_when_the_scope_ends(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """What comes after the line's end is not paid for."""
    service, engine = make_service("1\n" + "y = 2\n" * 20)
    assert "1" == await complete(service, at_cursor("x = |\n"), Trigger.AUTOMATIC)
    assert ("r1",) == engine.aborted


async def test_cancelling_aborts_in_the_engine(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """A cancelled task takes its request back."""
    began = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        began.set()
        await asyncio.Event().wait()

    service, engine = make_service("a b c d e f g", sleep=sleep)
    task = asyncio.create_task(
        complete(service, at_cursor("x = |\n"), Trigger.AUTOMATIC)
    )
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ("r1",) == engine.aborted
    assert 0 == (await engine.health()).requests_in_flight


async def test_the_deadline_keeps_nothing_unfinished(
    make_service: MakeService, at_cursor: AtCursor, pass_time: PassTime
) -> None:
    """At the deadline the request ends in the engine; no token, no suggestion."""

    async def sleep(_seconds: float) -> None:
        pass_time(60)
        await asyncio.Event().wait()

    service, engine = make_service(
        "a b c", sleep=sleep, config=CompletionConfig(deadline_ms=60_000)
    )
    assert await complete(service, at_cursor("x = |\n"), Trigger.AUTOMATIC) is None
    assert ("r1",) == engine.aborted


@pytest.mark.parametrize(
    ("config", "marked", "trigger"),
    [
        (CompletionConfig(enabled=False), "x = |\n", Trigger.INVOKED),
        (CompletionConfig(max_document_chars=3), "x = |\n", Trigger.INVOKED),
        (CompletionConfig(), "wo|rd = 1\n", Trigger.AUTOMATIC),
        (CompletionConfig(), "a\0b = |\n", Trigger.INVOKED),
    ],
)
async def test_nothing_is_generated_where_nothing_is_wanted(
    make_service: MakeService,
    at_cursor: AtCursor,
    config: CompletionConfig,
    marked: str,
    trigger: Trigger,
) -> None:
    """A switched-off service, a bad document or place cost the engine nothing."""
    service, engine = make_service("1\n", config=config)
    assert await complete(service, at_cursor(marked), trigger) is None
    assert () == engine.requests


async def test_a_dead_engine_is_an_error_here(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """The service does not hide that the engine died; the protocol layer answers."""
    service, _ = make_service("a b c d", die_after_requests=1)
    with pytest.raises(EngineDeadError):
        await complete(service, at_cursor("x = |\n"))


async def test_the_log_tells_counts_and_no_text(
    make_service: MakeService,
    at_cursor: AtCursor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the document nor the completion is ever logged, at any level."""
    caplog.set_level(logging.DEBUG)
    service, _ = make_service("canary_output\n")
    assert "canary_output" == await complete(service, at_cursor("canary_input = |\n"))
    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "completion.done" in logged
    assert "canary" not in logged
