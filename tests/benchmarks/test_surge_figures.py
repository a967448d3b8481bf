"""Records of a surge become the figures of its parts, the table and the plot."""

from pathlib import Path

import pytest

from benchmarks.load_clients import Record
from benchmarks.surge_figures import Phases, draw, figures_of, surge_table

PHASES = Phases(before_s=10, surge_s=20, after_s=20)


def record(start_s: float, outcome: str = "answered", total_ms: float = 100) -> Record:
    """A request of 100 prompt tokens, 90 of them cached; the load began at 5 s."""
    return Record(
        typist=0,
        start_s=5 + start_s,
        total_ms=total_ms,
        outcome=outcome,
        prompt_tokens=100,
        cached_tokens=90,
    )


def test_the_load_grows_to_three_times_within_the_surge() -> None:
    """The first typists are there from the beginning, the others join evenly."""
    joins_s = [PHASES.joins_s(number, 2, 6) for number in range(6)]
    assert [0, 0, 10, 15, 20, 25] == joins_s
    assert 50 == PHASES.all_s


@pytest.mark.parametrize(
    ("outcome", "column"),
    [
        ("answered", "answered"),
        ("empty", "answered"),
        ("superseded", "superseded"),
        ("busy", "refused"),
        ("error", "dropped"),
    ],
)
def test_every_request_is_in_one_column(outcome: str, column: str) -> None:
    """What became of a request is counted once, in the part in which it was asked."""
    figures = figures_of([record(12, outcome)], PHASES, start_s=5)
    columns = ("answered", "superseded", "refused", "dropped")
    for part in ("surge", "whole"):
        assert {**dict.fromkeys(columns, 0), column: 1} == {
            name: figures[part][name] for name in columns
        }
    for part in ("before", "after", "settled"):
        assert 0 == figures[part]["requests"]


def test_times_are_those_of_answers() -> None:
    """A refusal is quick, and no answer."""
    records = [record(1, "busy", 1), record(2, total_ms=200), record(3, total_ms=400)]
    figures = figures_of(records, PHASES, start_s=5)
    assert (300, 390) == (figures["before"]["p50_ms"], figures["before"]["p95_ms"])
    assert 0.9 == figures["before"]["cached_share"]
    assert None is figures["after"]["p95_ms"]
    assert [3, 0] == [each["requests"] for each in figures["course"][:2]]
    assert sum(each["requests"] for each in figures["course"]) == 3


def test_a_surge_is_shown(tmp_path: Path) -> None:
    """Table and plot have room for a part without answers."""
    figures = figures_of([record(1), record(41, "error")], PHASES, start_s=5)
    replicas = {"at_s": [0, 10, 20], "running": [1, 1, 2], "starting": [0, 1, 0]}
    run = {"name": "autoscaled", **figures, "replicas": replicas}
    row = surge_table([run]).splitlines()[-1]
    assert "| 1 to 2 " in row
    assert row.rstrip(" |").endswith("1")
    plot = tmp_path / "surge.svg"
    draw({"runs": [run], "phases_s": [10, 20, 20]}, plot)
    assert "autoscaled" in plot.read_text()
