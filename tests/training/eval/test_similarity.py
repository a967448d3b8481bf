"""Edit distance and similarity are what their definitions say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.eval.similarity import agreeing_chars, edit_distance, edit_similarity

TEXTS = st.text("ab(", max_size=12)


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [
        ("", "", 0),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("return a", "return b", 1),
        ("ab", "ba", 2),
    ],
)
def test_distance(left: str, right: str, distance: int) -> None:
    """Known pairs have their known distance."""
    assert distance == edit_distance(left, right)


@given(TEXTS, TEXTS, TEXTS)
def test_distance_is_a_metric(one: str, two: str, three: str) -> None:
    """Zero for equals alone, the same both ways, and no detour is shorter."""
    assert (edit_distance(one, two) == 0) == (one == two)
    assert edit_distance(one, two) == edit_distance(two, one)
    detour = edit_distance(one, two) + edit_distance(two, three)
    assert edit_distance(one, three) <= detour


@given(TEXTS, TEXTS)
def test_similarity_is_a_share(one: str, two: str) -> None:
    """It lies in [0, 1], and 1 is for equals alone."""
    assert 0 <= edit_similarity(one, two) <= 1
    assert (edit_similarity(one, two) == 1) == (one == two)


@given(TEXTS, TEXTS, TEXTS)
def test_agreeing_characters(same: str, one: str, two: str) -> None:
    """What both texts begin with counts, up to the first difference."""
    count = agreeing_chars(same + one, same + two)
    assert count >= len(same)
    assert (same + one)[:count] == (same + two)[:count]
    assert (same + one)[count : count + 1] != (same + two)[count : count + 1] or (
        count == len(same + one) == len(same + two)
    )
