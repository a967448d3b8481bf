"""Steps are taken at once and given back slowly."""

import pytest

from lsp_server.outcomes import OverloadStep
from lsp_server.service.overload import LoadMeter, OverloadLadder, step_at

STEPS = list(OverloadStep)


def test_more_pressure_never_calls_for_less() -> None:
    """Every step is reached, in its order, and refusing begins where all is used."""
    taken = [step_at(percent / 100) for percent in range(201)]
    assert sorted(taken) == taken
    assert STEPS == list(dict.fromkeys(taken))
    assert (OverloadStep.SLOW_DOWN, OverloadStep.REJECT) == (step_at(0.99), step_at(1))


def test_it_rises_at_once_and_falls_step_by_step() -> None:
    """After the load is gone, each second gives back one step."""
    ladder = OverloadLadder(calm_s=1.0)
    assert ladder.update(1.5, 10.0)
    assert OverloadStep.REJECT is ladder.step
    fallen = [
        (tenths / 10, ladder.step)
        for tenths in range(100, 200)
        if ladder.update(0.0, tenths / 10)
    ]
    assert [11.0, 12.0, 13.0, 14.0, 15.0] == [moment for moment, _ in fallen]
    assert STEPS[-2::-1] == [step for _, step in fallen]


def test_a_load_that_comes_and_goes_does_not_switch() -> None:
    """While the pressure is not calm for all of a second, the step stays."""
    ladder = OverloadLadder(calm_s=1.0)
    changes = [
        ladder.update(pressure, tenths / 2)
        for tenths, pressure in enumerate([0.5, 0.0, 0.3] * 30)
    ]
    assert ([0], OverloadStep.SLOW_DOWN) == (
        [at for at, changed in enumerate(changes) if changed],
        ladder.step,
    )


@pytest.mark.parametrize(
    ("users", "waiting", "since_turn_s", "pressure"),
    [
        (0, 0, 9.0, 0.0),  # nothing waits
        (4, 4, 0.0, 0.4),  # four turns of 100 ms on two places, of half a second
        (1, 40, 0.0, 0.1),  # one user's many are that user's
        (1, 75, 0.0, 0.5),  # but they fill the queue
        (1, 100, 0.0, 1.0),
        (1, 1, 0.4, 0.8),  # no turn has come for long
    ],
)
def test_pressure_is_what_a_user_without_a_queue_feels(
    users: int, waiting: int, since_turn_s: float, pressure: float
) -> None:
    """The wait for one turn of each user, a stalled engine, a queue that fills up."""
    meter = LoadMeter(running_limit=2, queue_length=100, max_wait_s=0.5)
    meter.note_taken(0.1)
    meter.note_turn(50.0)
    found = meter.pressure(users=users, waiting=waiting, now_s=50.0 + since_turn_s)
    assert pressure == pytest.approx(found)
