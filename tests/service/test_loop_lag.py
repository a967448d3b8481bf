"""A loop that falls behind has requests refused, and no others."""

import asyncio
import time

import pytest

from lsp_server.config import AdmissionConfig
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.errors import OverloadedError
from lsp_server.service.admission import Admission
from lsp_server.service.loop_lag import LoopLag
from lsp_server.values import Priority

LATE_S = 0.2


async def be_late(lag: LoopLag, times: int) -> None:
    """Hold the loop up, and let the watch see it each time."""
    for _ in range(times):
        lag.refuses()
        time.sleep(LATE_S)  # noqa: ASYNC251 - that is what is tested
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_loop_in_time_refuses_nothing() -> None:
    """Whatever comes."""
    lag = LoopLag()

    assert not any(lag.refuses() for _ in range(1_000))
    lag.close()


async def test_the_longer_a_loop_is_late_the_more_is_refused() -> None:
    """The share that is refused is the share that is said."""
    lag = LoopLag()
    await be_late(lag, 2)
    first = lag.share
    await be_late(lag, 4)

    refused = sum(lag.refuses() for _ in range(1_000))

    assert 0 < first < lag.share < 1
    assert refused == pytest.approx(1_000 * lag.share, abs=2)
    lag.close()


async def test_a_loop_that_is_in_time_again_takes_everything_again() -> None:
    """Also if nobody asks any more."""
    lag = LoopLag()
    await be_late(lag, 2)
    assert lag.share > 0

    async with asyncio.timeout(30):
        while lag.share:  # noqa: ASYNC110 - it sends no event
            await asyncio.sleep(0.01)

    assert not any(lag.refuses() for _ in range(100))
    lag.close()


async def test_what_is_asked_for_by_hand_is_never_refused_for_it() -> None:
    """And the others before any work, with the error of a busy server."""
    engine = ScriptedEngine(Script(answer_ids=(1,)))
    admission = Admission(engine, AdmissionConfig(), running_limit=4)

    def ask(priority: Priority) -> None:
        admission.keep_up(priority)

    refused = 0
    for _ in range(12):
        ask(Priority.EXPLICIT)
        try:
            ask(Priority.AUTOMATIC)
        except OverloadedError:
            refused += 1
        time.sleep(LATE_S)  # noqa: ASYNC251 - that is what is tested
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert 0 < refused < 12
    await admission.close()
