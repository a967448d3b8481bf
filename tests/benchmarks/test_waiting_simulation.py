"""What holds of a simulated server whatever rule it goes by."""

import pytest

from benchmarks.waiting import RULES, figures
from benchmarks.waiting_simulation import Server


@pytest.mark.parametrize("name", RULES)
def test_every_request_ends_once_and_never_before_it_was_asked(name: str) -> None:
    """Whatever held it up."""
    server = Server(20, 2.0, RULES[name], 0)

    server.run()

    assert server.seen
    assert {each.outcome for each in server.seen} <= {
        "answered",
        "superseded",
        "busy",
    }
    assert all(each.end_ms > each.ask.at_ms for each in server.seen)
    assert 0 == server.running


def test_joining_costs_a_single_typist_nothing() -> None:
    """Nobody is in the engine whom a start would slow down."""
    before, after = (
        figures(1, RULES[name], seconds=10.0, seeds=(0,))
        for name in ("each at once", "Midfill: joined")
    )

    assert before == after
