"""Answers end with their line, block or text, and are scored as defined."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.eval.scoring import (
    Boundary,
    common_prefix_chars,
    edit_similarity,
    program_of,
    score_answer,
    score_shown,
)
from training.eval.values import Answer, Extent, Task, View


def answer(text: str, *, has_ended: bool = True) -> Answer:
    """An answer of this text."""
    return Answer(text=text, has_ended=has_ended, output_tokens=9)


def test_line_is_cut_before_it_is_judged(make_task: Callable[..., Task]) -> None:
    """Beyond the first line end nothing counts, and blanks around do not either."""
    score = score_answer(
        make_task(), View.WITH_SUFFIX, answer("    return a + b \n    more")
    )
    assert "    return a + b " == score.completion
    assert score.exact
    assert not score.stops
    assert 1.0 == score.similarity
    assert (16, 17) == (score.kept_chars, score.suggested_chars)


@pytest.mark.parametrize(
    ("text", "kept"), [("    return a", 12), ("    yield a", 4), ("", 0)]
)
def test_kept_characters(make_task: Callable[..., Task], text: str, kept: int) -> None:
    """Those before the first that differs are kept."""
    score = score_answer(make_task(), View.NO_SUFFIX, answer(text))
    assert (kept, len(text)) == (score.kept_chars, score.suggested_chars)
    assert not score.exact


def test_span_is_judged_whole(make_task: Callable[..., Task]) -> None:
    """Of a span, nothing is cut."""
    task = make_task(middle="a\nb", extent=Extent.SPAN)
    assert score_answer(task, View.WITH_SUFFIX, answer("a\nb\n")).exact
    assert not score_answer(task, View.WITH_SUFFIX, answer("a\nb\nc")).exact


def test_shown_is_what_the_filters_leave(make_task: Callable[..., Task]) -> None:
    """A closing parenthesis that stands there already is not shown again."""
    task = make_task(prefix="print(", middle="total", suffix=")\n")
    given = answer("total)")
    assert not score_answer(task, View.WITH_SUFFIX, given).exact
    shown = score_shown(task, given)
    assert ("total", True, View.SHOWN) == (shown.completion, shown.exact, shown.view)


def test_nothing_shown_is_an_empty_text(make_task: Callable[..., Task]) -> None:
    """Where the filters leave nothing, nothing is suggested."""
    score = score_shown(make_task(), answer("   \n"))
    assert ("", 0, False) == (score.completion, score.suggested_chars, score.exact)


@pytest.mark.parametrize(
    ("extent", "middle", "between"),
    [
        (Extent.LINE, "x = 1\n", "\n"),
        (Extent.LINE, "x = 1", ""),
        (Extent.SPAN, "x = 1\n", ""),
    ],
)
def test_program(
    make_task: Callable[..., Task], extent: Extent, middle: str, between: str
) -> None:
    """A line gets back the line end that it was cut at; a span does not."""
    task = make_task(prefix="P\n", suffix="S", middle=middle, extent=extent, test="T\n")
    assert f"P\nC{between}S\nT\n" == program_of(task, "C")


BODY = "    total = a\n    return total\n"


@pytest.mark.parametrize(
    ("extent", "text", "cut", "expected"),
    [
        (Extent.LINE, "    return 1", "    return 1", "stops"),
        (Extent.LINE, "    return 1\n", "    return 1", "stops"),
        (Extent.LINE, "    return 1\n\n", "    return 1", "goes on"),
        (Extent.LINE, "    return 1\n    x", "    return 1", "goes on"),
        (Extent.LINE, "\nreturn", "", "goes on"),
        (Extent.SPAN, "a\n\nb", "a\n\nb", "stops"),
        (Extent.BLOCK, "    x = 1\n", "    x = 1\n", "stops"),
        (Extent.BLOCK, "    x = 1\ny = 2", "    x = 1\n", "goes on"),
    ],
)
def test_cut_and_stop(
    make_task: Callable[..., Task], extent: Extent, text: str, cut: str, expected: str
) -> None:
    """What lies beyond the end is cut, and counts as not having stopped there."""
    boundary = Boundary(make_task(extent=extent))
    assert cut == boundary.cut(text)
    ended = Answer(text=text, has_ended=True, output_tokens=1)
    assert expected == ("stops" if boundary.stops(ended) else "goes on")


@pytest.mark.parametrize("extent", list(Extent))
def test_cut_by_the_limit_is_no_stop(
    make_task: Callable[..., Task], extent: Extent
) -> None:
    """A text that only the token limit ended did not stop by itself."""
    answer = Answer(text="    x = 1", has_ended=False, output_tokens=48)
    assert not Boundary(make_task(extent=extent)).stops(answer)


def test_watching_ends_with_the_line(make_task: Callable[..., Task]) -> None:
    """A line is complete with its line end; a span never is."""
    assert not Boundary(make_task()).is_reached("x = 1")
    assert Boundary(make_task()).is_reached("x = 1\n")
    assert not Boundary(make_task(extent=Extent.SPAN)).is_reached("x = 1\n\n\n")


TEXTS = st.text("ab(", max_size=12)


@pytest.mark.parametrize(
    ("left", "right", "similarity"),
    [
        ("", "", 1),
        ("abc", "", 0),
        ("kitten", "sitting", 1 - 3 / 7),
        ("return a", "return b", 1 - 1 / 8),
        ("ab", "ba", 0),
        ("\ud800x", "\U0001f600x", 1 / 2),
    ],
)
def test_similarity(left: str, right: str, similarity: float) -> None:
    """It is the share without the fewest edits, in code points, either way round."""
    assert similarity == pytest.approx(edit_similarity(left, right))
    assert similarity == pytest.approx(edit_similarity(right, left))


@given(TEXTS, TEXTS)
def test_similarity_is_a_share(one: str, two: str) -> None:
    """It lies in [0, 1], and 1 is for equals alone."""
    assert 0 <= edit_similarity(one, two) <= 1
    assert (edit_similarity(one, two) == 1) == (one == two)


@given(TEXTS, TEXTS, TEXTS)
def test_agreeing_characters(same: str, one: str, two: str) -> None:
    """What both texts begin with counts, up to the first difference."""
    count = common_prefix_chars(same + one, same + two)
    assert count >= len(same)
    assert (same + one)[:count] == (same + two)[:count]
    assert (same + one)[count : count + 1] != (same + two)[count : count + 1] or (
        count == len(same + one) == len(same + two)
    )
