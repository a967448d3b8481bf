"""How long a request waits, from the user's keys and the engine's load."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.service import debounce
from lsp_server.service.completion import CompletionService
from lsp_server.service.debounce import AnswerTimes, TypingPace, wait_ms
from lsp_server.service.gate import OpenGate
from lsp_server.service.inflight import Inflight
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]

FAST = [100.0] * 18 + [2000.0] * 2
SLOW = [400.0] * 20


@pytest.mark.parametrize(
    ("gaps_ms", "since_key_ms", "answer_ms", "load", "max_ms", "expected"),
    [
        (FAST, 0, 300, 0.0, 500, 0),  # an idle engine
        (FAST, 0, 300, 1.0, 500, 100),  # until the typist pauses
        (FAST, 60, 300, 1.0, 500, 40),  # the editor has waited already
        (FAST, 150, 300, 1.0, 500, 0),  # a pause has begun
        (FAST, 0, 300, 1.0, 70, 70),  # the limit
        (FAST, 0, 300, 1.0, 0, 0),  # switched off
        (FAST, 0, 300, 0.2, 500, 0),  # an answer in time in one of ten is enough
        (FAST, 0, 50, 1.0, 500, 0),  # the answer is faster than the keys
        (SLOW, 0, 300, 1.0, 500, 0),
        (FAST[:7], 0, 300, 1.0, 500, 0),  # too few keys to know
        ([], 0, 300, 1.0, 500, 0),
        (FAST, 0, 0, 1.0, 500, 0),  # nothing is known of the engine
    ],
)
def test_the_wait_on_key_traces(
    *,
    gaps_ms: Sequence[float],
    since_key_ms: float,
    answer_ms: float,
    load: float,
    max_ms: float,
    expected: float,
) -> None:
    """A request waits only while its answer would likely come after the next key."""
    waited_ms = wait_ms(
        gaps_ms,
        since_key_ms=since_key_ms,
        answer_ms=answer_ms,
        load=load,
        max_ms=max_ms,
    )
    assert expected == waited_ms


TIMES_MS = st.floats(0, 3000)


@given(st.lists(TIMES_MS, max_size=70), TIMES_MS, TIMES_MS, st.floats(0, 1), TIMES_MS)
def test_a_wait_is_never_longer_than_allowed(
    gaps_ms: list[float], since_ms: float, answer_ms: float, load: float, max_ms: float
) -> None:
    """Whatever was typed, the wait is from 0 to the limit, and 0 without load."""
    times = {"since_key_ms": since_ms, "answer_ms": answer_ms, "max_ms": max_ms}
    assert 0 <= wait_ms(gaps_ms, load=load, **times) <= max_ms
    assert wait_ms(gaps_ms, load=0.0, **times) == 0


def test_the_pace_knows_the_keys_of_each_document() -> None:
    """A gap is between two keys of one document; what no hand can do is none."""
    times_s = iter([0.0, 0.1, 0.15, 0.3, 0.301, 9.0, 9.5])
    pace = TypingPace(clock=lambda: next(times_s))
    for uri in ("a", "a", "b", "a", "a", "a"):
        pace.key(uri)
    assert pytest.approx([100, 200, 2000]) == pace.gaps_ms
    assert pace.since_key_ms("a") == pytest.approx(500)


def test_what_is_broken_off_late_was_slow() -> None:
    """An engine that nobody waits for any more does not look fast."""
    times = AnswerTimes()
    assert times.typical_ms == 0
    times.answered(100)
    times.broken_off(50)
    assert times.typical_ms == 100
    times.broken_off(300)
    assert times.typical_ms == 200


class FullGate(OpenGate):
    """The gate of an engine that others use."""

    def load_beside(self, user: str) -> float:  # noqa: ARG002 - as a `Gate`
        return 1.0


@pytest.mark.parametrize("trigger", Trigger)
async def test_the_next_key_ends_the_wait(
    make_service: MakeService,
    at_cursor: AtCursor,
    monkeypatch: pytest.MonkeyPatch,
    trigger: Trigger,
) -> None:
    """The engine never gets a request that waited in vain; one by hand never waits."""
    waiting = asyncio.Event()

    def long(_gaps_ms: Sequence[float], *, load: float, **_: float) -> float:
        waiting.set()
        return load * 1e6

    monkeypatch.setattr(debounce, "wait_ms", long)
    service, engine = make_service("1\n", gate=FullGate())
    inflight: Inflight[object] = Inflight()

    def ask(request_id: str, pace: TypingPace | None) -> Awaitable[object]:
        return inflight.run(
            "a",
            lambda: service.complete(
                at_cursor("x = |\n"),
                request_id=request_id,
                trigger=trigger,
                typed=TypedAhead(pace=pace),
            ),
        )

    first = asyncio.ensure_future(ask("r1", TypingPace()))
    if trigger is Trigger.AUTOMATIC:
        await waiting.wait()
    else:
        assert await first is not None
    assert await ask("r2", None) is not None
    assert (await first is None) is (trigger is Trigger.AUTOMATIC)
    await inflight.close()
    begun = [each.request_id for each in engine.requests if not each.candidate]
    assert begun == (["r2"] if trigger is Trigger.AUTOMATIC else ["r1", "r2"])
