"""A package is on one side, for good."""

from hypothesis import given
from hypothesis import strategies as st

from training.corpus.split import HELD_OUT, TRAIN, split_of

NAMES = st.text("abcdefghij-0123456789", min_size=1, max_size=20)
SHARES = st.floats(0, 1)


@given(name=NAMES, first=SHARES, second=SHARES)
def test_a_greater_share_only_adds(name: str, first: float, second: float) -> None:
    """What is held out at a share is held out at every greater one."""
    less, more = sorted((first, second))
    if split_of(name, held_out_share=less) == HELD_OUT:
        assert HELD_OUT == split_of(name, held_out_share=more)


@given(name=NAMES)
def test_the_ends(name: str) -> None:
    """Nothing is held out at 0, and everything at 1."""
    assert TRAIN == split_of(name, held_out_share=0)
    assert HELD_OUT == split_of(name, held_out_share=1)


def test_holds_out_the_share() -> None:
    """Of many packages about the share is held out."""
    sides = [split_of(f"package-{n}", held_out_share=0.1) for n in range(5_000)]
    assert 400 < sides.count(HELD_OUT) < 600


def test_never_changes() -> None:
    """The split of today is that of the models trained earlier."""
    names = ["attrs", "click", "flask", "httpx", "jinja2", "numpy", "rich", "urllib3"]
    held_out = [n for n in names if split_of(n, held_out_share=0.5) == HELD_OUT]
    assert ["attrs", "httpx", "numpy", "rich", "urllib3"] == held_out
