"""A trace of typing is the same each time, and makes one version of the other."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.typing_edits import applied, replacements
from benchmarks.typing_traces import Trace, trace_of

LINES = ["def f(a):", "    return a", "    b = a + 1", "", "\tx", "# é ä", "  }", "a b"]
TEXTS = st.lists(st.sampled_from(LINES), max_size=12).map("\n".join) | st.text(
    alphabet="ab_ \n\t(é", max_size=40
)


def typed_key_by_key(trace: Trace) -> str:
    """Return what an editor has after every key, the wrong ones included."""
    text = trace.text
    for each in trace.stretches:
        cursor = each.start
        text = text[:cursor] + text[cursor + each.removed_chars :]
        for stroke in each.strokes:
            for key in (*stroke.slip, *("\b" * len(stroke.slip)), stroke.text):
                if key == "\b":
                    text, cursor = text[: cursor - 1] + text[cursor:], cursor - 1
                else:
                    text = text[:cursor] + key + text[cursor:]
                    cursor += len(key)
    return text


@given(TEXTS, TEXTS, st.integers(0, 3))
def test_a_trace_makes_the_new_version_byte_for_byte(
    old: str, new: str, seed: int
) -> None:
    """In whatever order the places are visited."""
    assert applied(old, replacements(old, new)) == new
    trace = trace_of("file.py", "python", old, new, seed=seed)
    assert trace.text == old
    assert typed_key_by_key(trace) == trace.result() == new


@given(TEXTS, TEXTS, st.integers(1, 10), st.integers(1, 20))
def test_what_is_not_typed_is_there_from_the_beginning(
    old: str, new: str, most_keys: int, most_chars: int
) -> None:
    """A shortened trace ends at the new version, too."""
    trace = trace_of(
        "f", "c", old, new, seed=0, most_keys=most_keys, most_chars=most_chars
    )
    assert trace.result() == new
    assert all(0 < len(each.text) <= most_chars for each in trace.stretches)


def test_the_seed_decides_everything() -> None:
    """The same seed gives the same pauses and slips, another gives others."""
    old, new = "a = 1\n" * 9, "a = 1\n" * 4 + "value = some_call(a)\n" * 30
    one, other = (trace_of("f", "python", old, new, seed=each) for each in (1, 2))
    assert one == trace_of("f", "python", old, new, seed=1)
    assert one != other
    assert any(stroke.slip for each in one.stretches for stroke in each.strokes)


@pytest.mark.parametrize(
    ("old", "new", "typed"),
    [
        ("x = first(a)\n", "x = second(a)\n", ["second"]),
        ("x = one_path(a)\n", "x = one_name(a)\n", ["one_name"]),
        ("x = old_path(a)\n", "x = new_path(a)\n", ["new_path"]),
        ("a\nb\n", "a\nif a:\n    b()\nb\n", ["\nif a:\n    b()"]),
        ("a = 1\nkeep\nb = 1\n", "a = 2\nkeep\nb = 3\n", ["2", "3"]),
        ("a\nb\nc\n", "a\nc\n", [""]),
    ],
    ids=["word", "end of a word", "start of a word", "lines", "two places", "deleted"],
)
def test_only_what_differs_is_typed(old: str, new: str, typed: list[str]) -> None:
    """Whole words of a changed line, and added lines behind the line above them."""
    stretches = trace_of("f", "python", old, new, seed=0).stretches
    assert sorted(each.text for each in stretches) == sorted(typed)


def test_enter_brings_the_indentation_and_counts_as_one_key() -> None:
    """As in editors; a blank line has none."""
    (stretch,) = trace_of("f", "python", "", "if a:\n    b\n\nc\n", seed=3).stretches
    assert [each.text for each in stretch.strokes] == [
        *"if a:",
        "\n    ",
        "b",
        "\n",
        "\n",
        "c",
        "\n",
    ]
    slips = sum(2 * len(each.slip) for each in stretch.strokes)
    assert stretch.keys == len(stretch.strokes) + slips


def test_pauses_are_log_normal() -> None:
    """Half of the pauses inside of a word are below the median of 150 ms."""
    text = "".join(random.Random(1).choices("abcdef", k=4000))  # noqa: S311 - a test's text
    (stretch,) = trace_of("f", "python", "", text, seed=1).stretches
    gaps_ms = sorted(each.gap_ms for each in stretch.strokes)
    assert 140 < gaps_ms[2000] < 160
    assert gaps_ms[3364] / gaps_ms[2000] == pytest.approx(1.65, abs=0.1)
