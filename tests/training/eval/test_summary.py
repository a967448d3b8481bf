"""Shares, intervals and differences are those of the scores."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import locate
from training.corpus.attribution import render_attributions
from training.corpus.output import PackageEntry
from training.eval.model import trained_packages
from training.eval.summary import (
    Familiarity,
    compare,
    count_familiar,
    estimate_mean,
    suffix_gains,
    summarise,
)
from training.eval.values import Score, View

MakeScore = Callable[..., Score]


def test_row(make_score: MakeScore) -> None:
    """Shares are in percent; characters are summed before they are divided."""
    [row] = summarise(
        [
            make_score("a", similarity=0.5, kept_chars=1, suggested_chars=2),
            make_score("b", exact=False, stops=False, kept_chars=0, suggested_chars=8),
        ],
        seed=0,
    )
    assert (2, 50, None) == (row.tasks, row.exact.value, row.passed)
    assert (75, 50, 10) == (row.similarity, row.stops, row.kept)


def test_nothing_suggested(make_score: MakeScore) -> None:
    """Without any character there is no share of them."""
    [row] = summarise([make_score("a", kept_chars=0, suggested_chars=0)], seed=0)
    assert row.kept is None


def test_rows_by_category_and_view(make_score: MakeScore) -> None:
    """Categories stay together, in the order in which they first came."""
    scores = [
        make_score("a", category="x"),
        make_score("b", category="a"),
        make_score("a", category="x", view=View.NO_SUFFIX),
    ]
    found = [(row.category, row.view) for row in summarise(scores, seed=0)]
    assert [
        ("x", View.WITH_SUFFIX),
        ("x", View.NO_SUFFIX),
        ("a", View.WITH_SUFFIX),
    ] == found


def test_suffix_gain(make_score: MakeScore) -> None:
    """The gain is paired: task by task, with the suffix less without."""
    scores = [make_score(each, passed=True) for each in "abcd"]
    scores += [
        make_score(each, view=View.NO_SUFFIX, exact=each == "a", passed=True)
        for each in "abcd"
    ]
    exact, passed = suffix_gains(scores, seed=0)
    assert ("exact match", 75) == (exact.measure, exact.points.value)
    assert exact.points.low < 75 < exact.points.high
    assert ("pass@1", 0, 0, 0) == (
        passed.measure,
        passed.points.value,
        passed.points.low,
        passed.points.high,
    )


def test_no_tests_no_pass(make_score: MakeScore) -> None:
    """Tasks without a test have no pass@1 to differ in."""
    scores = [make_score("a"), make_score("a", view=View.NO_SUFFIX)]
    assert ["exact match"] == [each.measure for each in suffix_gains(scores, seed=0)]


def test_compare(make_score: MakeScore) -> None:
    """Two models are compared task by task, both with the suffix."""
    mine = [make_score("a"), make_score("b"), make_score("b", view=View.NO_SUFFIX)]
    other = [make_score("b", exact=False), make_score("a")]
    [lead] = compare(mine, other, seed=0)
    assert 50 == lead.points.value


def test_other_tasks(make_score: MakeScore) -> None:
    """Scores of different tasks cannot be compared."""
    with pytest.raises(KeyError):
        compare([make_score("a")], [make_score("b")], seed=0)


@settings(max_examples=25)
@given(st.lists(st.sampled_from([0.0, 100.0]), min_size=1, max_size=20))
def test_interval_lies_within_the_values(values: list[float]) -> None:
    """No draw can give more than the largest value, or less than the smallest."""
    found = estimate_mean(values, range(len(values)), seed=1)
    assert sum(values) / len(values) == pytest.approx(found.value)
    assert min(values) <= found.low <= found.high <= max(values)


def test_many_coins() -> None:
    """A share of a half of 400 has the textbook's interval of about ten points."""
    found = estimate_mean([0.0, 100.0] * 200, range(400), seed=0)
    assert 50 == found.value
    assert pytest.approx(45.1, abs=0.6) == found.low
    assert pytest.approx(54.9, abs=0.6) == found.high


def test_groups_count_once() -> None:
    """Four copies of each value are no more certain than one of each."""
    once = estimate_mean([0.0, 100.0] * 20, range(40), seed=0)
    values = [value for value in [0.0, 100.0] * 20 for _ in range(4)]
    groups = [group for group in range(40) for _ in range(4)]
    copied = estimate_mean(values, groups, seed=0)
    assert (once.low, once.high) == (copied.low, copied.high)
    alone = estimate_mean(values, range(160), seed=0)
    assert alone.high - alone.low < (copied.high - copied.low) * 0.6


def test_seed_repeats() -> None:
    """The same seed gives the same interval, another one another."""
    values = [0.0, 1.0, 5.0, 7.0, 12.0, 13.0]
    assert estimate_mean(values, range(6), seed=3) == estimate_mean(
        values, range(6), seed=3
    )


def entry(name: str) -> PackageEntry:
    """Return a package of a corpus."""
    return PackageEntry(
        name=name,
        version="1",
        licence="MIT",
        home_page="https://example.org/a|b",
        split="train",
        files=1,
        characters=1,
        sha256="",
    )


def test_reads_what_the_corpus_wrote(tmp_path: Path) -> None:
    """The names are those of the packages, whatever else a row says."""
    text = render_attributions([entry("one"), entry("two-three")])["ATTRIBUTION.md"]
    (tmp_path / "ATTRIBUTION.md").write_text(text, encoding="utf-8")
    assert frozenset({"one", "two-three"}) == trained_packages(tmp_path)


def test_the_shipped_model_says_it() -> None:
    """As many packages as its list says, well-known ones among them."""
    found = trained_packages(locate(SHIPPED_MODEL))
    assert found is not None
    assert {"accelerate", "aiohttp"} <= found
    text = (locate(SHIPPED_MODEL) / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert f"source of {len(found)} packages" in text


def test_others_do_not_say(tmp_path: Path) -> None:
    """Without a list, or with one of nothing, nothing is claimed."""
    assert trained_packages(tmp_path) is None
    (tmp_path / "ATTRIBUTION.md").write_text("# Thanks to all\n", encoding="utf-8")
    assert trained_packages(tmp_path) is None


def test_counts() -> None:
    """Cursors are in packages trained on, in others, or in none that is known."""
    packages = ["one", "one", "four", None]
    expected = Familiarity(trained=2, other=1, unknown=1)
    assert expected == count_familiar(packages, frozenset({"one", "two"}))
