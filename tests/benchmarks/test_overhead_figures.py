"""The overhead's figures are differences of the two paths' times."""

from benchmarks.overhead_figures import Cell, Times, overhead_table, summary_of


def times(
    ttft_ms: float, total_ms: float, *, tokens: int = 8, outside_ms: float = 0.0
) -> Times:
    """Return the times of one request."""
    return Times(
        ttft_ms=ttft_ms,
        total_ms=total_ms,
        output_tokens=tokens,
        cached_tokens=512,
        outside_ms=outside_ms,
    )


CELL = Cell(
    clients=1,
    cache="cached",
    prompt_tokens=[900, 1000, 1100],
    lsp=[
        times(12, 104, outside_ms=2.0),
        times(23, 209, outside_ms=3.0),
        times(34, 304, outside_ms=9.0),
    ],
    raw=[times(10, 100), times(20, 200, tokens=7), times(30, 300)],
)


def test_the_three_overheads() -> None:
    """Of the medians, at each place, and outside of the engine."""
    summary = summary_of(CELL)
    overhead = summary["overhead"]
    assert isinstance(overhead, dict)
    assert (3, 9) == (overhead["ttft_p50_ms"], overhead["total_p50_ms"])
    paired = summary["paired_overhead"]
    assert isinstance(paired, dict)
    assert (3, 4) == (paired["ttft_p50_ms"], paired["total_p50_ms"])
    outside = summary["outside_engine"]
    assert isinstance(outside, dict)
    assert 3 == outside["p50_ms"]


def test_what_was_not_equal_is_reported() -> None:
    """A path that made more tokens shows, for it took longer for that."""
    assert 0.667 == summary_of(CELL)["same_output_length_share"]


def test_the_table_has_a_row_for_each_path() -> None:
    """Four rows for a cell: the paths, their difference, and what is outside."""
    rows = overhead_table([summary_of(CELL)]).splitlines()
    assert ["raw", "lsp", "overhead", "outside"] == [
        row.split("|")[3].strip() for row in rows[2:]
    ]
