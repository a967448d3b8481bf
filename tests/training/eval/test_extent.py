"""An answer ends with its line, its block, or its text."""

from collections.abc import Callable

import pytest

from training.eval.extent import Boundary
from training.eval.values import Answer, Extent, Task

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
    assert not Boundary(make_task()).is_passed("x = 1")
    assert Boundary(make_task()).is_passed("x = 1\n")
    assert not Boundary(make_task(extent=Extent.SPAN)).is_passed("x = 1\n\n\n")
