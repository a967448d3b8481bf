"""A long prompt, a quiet engine and a process that stood still are no hang."""

import asyncio
import dataclasses

import pytest

from lsp_server.engine.hang_watch import CANARY, HangWatch, RestartPolicy, StallClock
from lsp_server.engine_values import EngineHealth, EngineState
from lsp_server.values import GenerationRequest

POLICY = RestartPolicy(
    idle_timeout_s=8.0,
    stall_timeout_s=60.0,
    gpu_stall_timeout_s=12.0,
    canary_interval_s=5.0,
)
REQUEST = GenerationRequest(request_id="r", token_ids=(1, 2), max_tokens=8)


class Watched:
    """A watch over an engine that answers nothing, on a clock of the test's own."""

    def __init__(self, device: str = "cpu", policy: RestartPolicy = POLICY) -> None:
        self.canaries = 0
        self._now_s = self._cpu_s = 0.0
        clock = StallClock(now_s=lambda: self._now_s)
        self.watch = HangWatch(policy, self._canary, device=device, clock=clock)

    async def _canary(self) -> None:
        self.canaries += 1
        self.watch.note_request(CANARY, others_wait=False)
        await asyncio.Event().wait()

    async def hung_after_s(self, *, computes: bool, most_s: int = 100) -> float | None:
        """Let time pass, and return after how long the engine counts as hung."""
        began_s = self._now_s
        while self._now_s < began_s + most_s:
            self._now_s += 0.5
            self._cpu_s += 0.5 if computes else 0.0
            if self.watch.check(
                EngineHealth(
                    state=EngineState.READY, requests_in_flight=1, cpu_s=self._cpu_s
                )
            ):
                self.watch.close()
                return self._now_s - began_s
            await asyncio.sleep(0)
        self.watch.close()
        return None

    def stand_still(self, seconds: float) -> None:
        """Let time pass in which nothing is checked."""
        self._now_s += seconds


@pytest.mark.parametrize("computes", [False, True])
async def test_a_hang_while_nobody_asks_is_noticed_in_time(*, computes: bool) -> None:
    """The canary is due after 5 s and takes no engine 8 s, whatever it computes."""
    watched = Watched()
    hung_s = await watched.hung_after_s(computes=computes)
    assert hung_s is not None
    assert 13 < hung_s < 15
    assert 1 == watched.canaries


async def test_without_canary_a_quiet_engine_is_left_alone() -> None:
    """It is not asked, and its silence is no hang."""
    watched = Watched(policy=dataclasses.replace(POLICY, canary_interval_s=0.0))
    assert await watched.hung_after_s(computes=False) is None
    assert 0 == watched.canaries


@pytest.mark.parametrize(
    ("device", "computes", "limit_s"),
    [("cpu", False, 8), ("cpu", True, 60), ("cuda", True, 12), ("cuda", False, 8)],
)
async def test_a_request_that_gets_no_token_ends_in_a_hang(
    device: str, *, computes: bool, limit_s: int
) -> None:
    """A CPU may compute a long prompt for a minute; a GPU's process merely spins."""
    watched = Watched(device)
    watched.watch.note_request(REQUEST, others_wait=False)
    assert limit_s + 0.5 == await watched.hung_after_s(computes=computes)


async def test_a_canary_beside_a_request_waits_as_long_as_that() -> None:
    """A long prompt that came right after the canary may delay it."""
    watched = Watched()
    assert await watched.hung_after_s(computes=True, most_s=6) is None
    watched.watch.note_request(REQUEST, others_wait=True)
    hung_s = await watched.hung_after_s(computes=True)
    assert hung_s is not None
    assert 50 < hung_s <= 60


async def test_a_process_that_stood_still_does_not_blame_the_engine() -> None:
    """After a SIGSTOP and a SIGCONT of all of them, everything is as before."""
    watched = Watched()
    watched.watch.note_request(REQUEST, others_wait=False)
    assert await watched.hung_after_s(computes=False, most_s=4) is None
    watched.stand_still(3600)
    # The step that it stood still in is not counted, either.
    assert 5 == await watched.hung_after_s(computes=False)


def test_an_engine_that_computes_is_not_hung_so_soon() -> None:
    """A long prompt on a slow CPU takes its time; without work it counts as hung."""
    now = [0.0]
    limits = {"idle_timeout_s": 8.0, "stall_timeout_s": 60.0}
    clock = StallClock(now_s=lambda: now[0])
    clock.note_request()
    for second in range(1, 61):
        now[0] = float(second)
        clock.note_cpu_time(second * 0.5)
        assert not clock.is_hung(**limits)
    now[0] = 61.0
    assert clock.is_hung(**limits)
    clock.note_token(others_wait=True)
    for second in range(62, 70):
        now[0] = float(second)
        clock.note_cpu_time(30.0 + (second - 61) * 0.01)
        assert not clock.is_hung(**limits)
    now[0] = 70.0
    clock.note_cpu_time(30.1)
    assert clock.is_hung(**limits)
    clock.note_token(others_wait=False)
    assert not clock.is_hung(**limits)
