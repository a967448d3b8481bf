"""Records of a load become the figures that the table and the plot show."""

from pathlib import Path

from benchmarks.load_clients import Record
from benchmarks.load_figures import draw, engine_figures, figures_of, load_table


def record(
    typist: int, total_ms: float, outcome: str = "answered", start_s: float = 0.0
) -> Record:
    """Return a record of 100 prompt tokens, 50 of them cached."""
    return Record(
        typist=typist,
        start_s=start_s,
        total_ms=total_ms,
        outcome=outcome,
        prompt_tokens=100,
        cached_tokens=50,
        output_tokens=8,
    )


RECORDS = [
    *(record(0, ms) for ms in (10, 20, 30)),
    record(1, 90),
    record(1, 1, "superseded"),
    record(2, 2, "busy"),
]


def test_latency_is_that_of_replies() -> None:
    """Superseded and refused requests count, and have no latency."""
    figures = figures_of(RECORDS, route="lsp", typists=3, seconds=2)
    assert 37.5 == figures["latency_ms"]["mean"]
    assert (3.0, 2.0) == (figures["requests_per_s"], figures["replies_per_s"])
    assert 16.0 == figures["output_tokens_per_s"]
    assert {"answered": 4, "empty": 0, "superseded": 1, "busy": 1, "error": 0} == (
        figures["outcomes"]
    )
    assert (20.0, 90.0) == (
        figures["fairness"]["best_p50_ms"],
        figures["fairness"]["worst_p50_ms"],
    )


def test_refusals_and_fresh_contexts_do_not_hide() -> None:
    """Suggestions have figures of their own, and so have those after the start."""
    later = [record(0, 50, start_s=9.0), record(1, 3, "empty", start_s=9.0)]
    figures = figures_of([*RECORDS, *later], route="lsp", typists=3, seconds=2)
    assert 40.0 == figures["answered_ms"]["mean"]
    assert 50.0 == figures["settled_ms"]["mean"]


def test_the_engine_saw_all_requests() -> None:
    """The cached share is that of prompts that were read, weighted by length."""
    asked = [
        {"token_ids": [1] * 30, "cached_tokens": 0, "output_tokens": 2},
        {"token_ids": [1] * 10, "cached_tokens": 10, "output_tokens": 4},
        {"token_ids": [1] * 60, "cached_tokens": 0, "output_tokens": 0},
    ]
    assert 0.25 == engine_figures(asked)["cached_share"]


def test_a_load_without_a_reply_is_shown(tmp_path: Path) -> None:
    """Table and plot have room for it."""
    cells = [
        figures_of(RECORDS, route="lsp", typists=8, seconds=2),
        figures_of([record(0, 1, "error")], route="rest", typists=8, seconds=2),
    ]
    assert 4 == len(load_table(cells).splitlines())
    draw(cells, tmp_path / "load.svg")
    assert "typists at once" in (tmp_path / "load.svg").read_text(encoding="utf-8")
