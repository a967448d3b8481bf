"""Which requests begin at once, and which together."""

import asyncio
import dataclasses

import pytest
from admission_case import Case, settle

from lsp_server.config import Config, EngineKind
from lsp_server.service.engine_start import admission_of
from lsp_server.values import FinishReason, Priority

NEVER_MS = 1_000_000_000


async def crowd(joined_ms: int) -> Case:
    """Return a case with eight requests in the engine and three more."""
    case = Case(running=64, joined_ms=joined_ms)
    case.send(count=11)
    await settle()
    return case


@pytest.mark.parametrize(("joined_ms", "begun"), [(0, 11), (NEVER_MS, 8)])
async def test_from_eight_on_requests_wait_for_the_next_start(
    joined_ms: int, begun: int
) -> None:
    """The first eight begin at once, and without the setting all do."""
    case = await crowd(joined_ms)

    assert begun == len(case.scheduled)
    case.send(priority=Priority.EXPLICIT)
    await settle()
    await case.end(12)


async def test_those_that_wait_begin_when_the_time_is_over() -> None:
    """Nobody else has to come, and nothing in the engine has to end."""
    case = await crowd(1)

    async with asyncio.timeout(60):
        while len(case.scheduled) < 11:  # noqa: ASYNC110 - it sends no event
            await asyncio.sleep(0.001)

    await case.end(11)
    assert [FinishReason.LENGTH] * 11 == [task.result() for task in case.tasks]


async def test_a_request_by_hand_waits_for_nobody_and_takes_the_others_along() -> None:
    """They would wait for its step anyway."""
    case = await crowd(NEVER_MS)

    case.send(priority=Priority.EXPLICIT)
    await settle()

    assert 12 == len(case.scheduled)
    await case.end(12)


async def test_an_engine_that_has_little_to_do_takes_all_that_wait() -> None:
    """The next request does not wait, so neither do those before it."""
    case = await crowd(NEVER_MS)

    await case.end(8)
    case.send()
    await settle()

    assert 12 == len(case.scheduled)
    await case.end(4)


@pytest.mark.parametrize("ends", ["aborted", "cancelled", "drained"])
async def test_what_ends_while_it_waits_never_reaches_the_engine(ends: str) -> None:
    """And leaves its place to others."""
    case = await crowd(NEVER_MS)
    waiting = case.tasks[8:]

    for task, number in zip(waiting, range(8, 11), strict=True):
        if ends == "aborted":
            await case.admission.abort(f"a{number}")
        elif ends == "cancelled":
            task.cancel()
    if ends == "drained":
        await case.admission.drain(0)
    await settle()

    assert 8 == len(case.scheduled)
    assert 8 == case.admission.running
    assert all(
        task.cancelled() or task.result() is FinishReason.ABORT for task in waiting
    )
    await case.end(8)


@pytest.mark.parametrize(("gpu_slices", "joined_ms"), [(0, 0), (1, 40)])
def test_only_starts_on_a_gpu_are_joined(gpu_slices: int, joined_ms: int) -> None:
    """A scripted engine gains from it where it has a GPU's speed."""
    config = Config()
    config = dataclasses.replace(
        config,
        engine=dataclasses.replace(config.engine, kind=EngineKind.SCRIPTED),
        scripted=dataclasses.replace(config.scripted, gpu_slices=gpu_slices),
    )

    assert joined_ms == admission_of(config).joined_start_ms
