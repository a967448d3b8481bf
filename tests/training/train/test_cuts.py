"""Documents are cut without loss, and where code begins and ends."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from training.train import cuts as ways
from training.train.config import Cuts, Shares
from training.train.cuts import cut_window, windows
from training.train.documents import Outline, read_outline

NO_OUTLINE = Outline(nodes=(), statements=(), blocks=())
CUTS = Cuts(
    format="midfill",
    fim_share=1.0,
    neighbours_share=0.0,
    even_lengths=False,
    shares=Shares(cursor=0.2, in_line=0.1, line=0.2, block=0.2, node=0.2, span=0.1),
)

CODE = '''\
import os


def first(a, b):
    """Öffnet é."""
    total = call(
        a,
        b,
    )
    if total:
        return a

    return b


value = "ö" + first(1, 2)  # why
'''

pieces = st.sampled_from(
    [
        "def f(a):\n",
        "    return a\n",
        "\n",
        "x = 'ä'\n",
        "if x:\n",
        "  ",
        "\t",
        "\r\n",
        "(",
    ]
)
documents = st.one_of(st.text(), st.lists(pieces, max_size=60).map("".join))


def lot(seed: int) -> random.Random:
    """Return what draws cuts."""
    return random.Random(seed)  # noqa: S311  # guards nothing


@given(text=documents, seed=st.integers(), shortest=st.integers(1, 40))
@example(text=CODE, seed=1, shortest=10)
def test_cuts_reassemble_the_document(text: str, seed: int, shortest: int) -> None:
    """Prefix, middle and suffix of all windows, in a row, are the document's bytes."""
    rng = lot(seed)
    outline = read_outline(text)
    found = windows(text, shortest_chars=shortest, longest_chars=3 * shortest, rng=rng)
    cuts = [cut_window(text, window, outline, rng, CUTS) for window in found]
    joined = "".join(cut.prefix + cut.middle + cut.suffix for cut in cuts)
    assert text.encode("utf-8", "surrogatepass") == joined.encode(
        "utf-8", "surrogatepass"
    )


@given(text=st.text(min_size=200), seed=st.integers())
def test_spans_of_characters_are_at_most_a_third(text: str, seed: int) -> None:
    """A random span has at least a character, and at most a third of the window."""
    window = (0, len(text))
    first, last = ways._character_span(text, window, NO_OUTLINE, lot(seed), CUTS)
    assert 1 <= last - first <= len(text) // 3


def middles(way: str) -> set[str]:
    """Return the middles that a way of cutting makes of the code above."""
    rng = lot(0)
    cut = getattr(ways, way)
    outline = read_outline(CODE)
    spans = [cut(CODE, (0, len(CODE)), outline, rng, CUTS) for _ in range(4000)]
    return {CODE[first:last] for first, last in spans}


@pytest.mark.parametrize(
    ("way", "middle"),
    [
        ("_from_cursor", "import os"),
        ("_from_cursor", "import os\n"),
        ("_from_cursor", "l = call("),
        ("_from_cursor", "total = call(\n        a,\n        b,\n    )"),
        ("_from_cursor", "        return a\n"),
        ("_from_cursor", "return b"),
        ("_from_cursor", "if total:\n        return a\n\n    return b"),
        ("_from_cursor", ""),
        ("_whole_line", "import os"),
        ("_whole_line", "        return a"),
        ("_whole_line", "return a"),
        ("_whole_line", "    return b\n"),
        ("_whole_line", 'value = "ö" + first(1, 2)  # why\n'),
        ("_whole_block", "if total:\n        return a"),
        ("_whole_block", "    total = call(\n        a,\n        b,\n    )\n"),
        ("_whole_block", "        return a\n"),
        ("_whole_block", 'value = "ö" + first(1, 2)  # why'),
        ("_in_line", "al = call("),
        ("_in_line", ""),
        ("_whole_node", "first(1, 2)"),
        ("_whole_node", '"""Öffnet é."""'),
        ("_whole_node", "b"),
        ("_whole_node", "if total:\n        return a"),
    ],
)
def test_middles_are_what_people_leave_out(way: str, middle: str) -> None:
    """Rests of lines, statements and blocks, whole lines, and whole nodes."""
    assert middle in middles(way)


def test_nodes_are_whole() -> None:
    """Without a node that is small enough, a span of characters is cut instead."""
    outline = read_outline(CODE)
    nodes = {CODE[first:last] for first, last in outline.nodes}
    assert middles("_whole_node") <= nodes
    first, last = ways._whole_node("ab cd ef", (0, 8), NO_OUTLINE, lot(0), CUTS)
    assert 0 < last - first <= 2


@pytest.mark.parametrize(
    "text", ["def f(:", "a = '\0'", "(" * 5000, "print 'x'", "\ud800"]
)
def test_what_does_not_parse_has_no_outline(text: str) -> None:
    """Text that is no Python is cut all the same, by characters and lines."""
    assert NO_OUTLINE == read_outline(text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\f\n", "\x1c \n"])
def test_places_hold_whatever_ends_lines(end: str) -> None:
    """Only what Python calls a line end counts as one."""
    text = f"'ä' + b{end}if a:{end} c(d, 'ö', e){end}" if end != "\x1c \n" else "a\n"
    outline = read_outline(text)
    assert {text[first:last] for first, last in outline.nodes} >= {
        "a" if end == "\x1c \n" else "c(d, 'ö', e)"
    }


@given(text=documents, seed=st.integers())
def test_windows_are_whole_lines(text: str, seed: int) -> None:
    """Every window but the last ends with a line end, and none is empty."""
    found = list(windows(text, shortest_chars=5, longest_chars=20, rng=lot(seed)))
    assert all(first < last for first, last in found)
    assert all("\n" == text[last - 1] for _, last in found[:-1])
