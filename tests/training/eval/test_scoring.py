"""Answers are judged as the definitions say."""

from collections.abc import Callable

import pytest

from training.eval.scoring import program_of, score_answer, score_shown
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
