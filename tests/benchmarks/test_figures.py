"""Figures are what the literature means by them, and a result file is whole."""

import json
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import (
    circumstances,
    median,
    percentile,
    table,
    write_result,
)

FINITE = st.floats(min_value=-1e6, max_value=1e6)


@given(st.lists(FINITE, min_size=1))
def test_the_median_is_the_librarys(values: list[float]) -> None:
    """Between two middle values it is their mean."""
    assert statistics.median(values) == pytest.approx(median(values))


@given(st.lists(FINITE, min_size=2), st.integers(min_value=1, max_value=99))
def test_percentiles_are_the_librarys(values: list[float], percent: int) -> None:
    """They are the "inclusive" quantiles of the standard library."""
    expected = statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
    assert expected == pytest.approx(percentile(values, percent), abs=1e-6)


def test_a_table_is_aligned() -> None:
    """Every line is as long as the others."""
    lines = table(["a", "long head"], [["cell", "x"], ["", "yy"]]).splitlines()
    assert 1 == len({len(line) for line in lines})
    assert "| a    | long head |" == lines[0]


def test_a_result_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """The last result is there, and nothing half-written beside it."""
    path = tmp_path / "folder" / "result.json"
    write_result(path, {"run": 1})
    write_result(path, {"run": 2})
    assert {"run": 2} == json.loads(path.read_text(encoding="utf-8"))
    assert [path] == list(path.parent.iterdir())


def test_circumstances_tell_commit_and_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy without git's data can get its commit from outside."""
    monkeypatch.setenv("BENCH_COMMIT", "abc")
    reported = circumstances()
    assert "abc" == reported["commit"]
    assert {"date", "commit", "hardware", "versions"} == reported.keys()
    assert json.dumps(reported)
