"""Windows fit their budget, stay while the user types, and start at lines."""

import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.context.window import LineWindows
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot, Window


def encode(text: str) -> tuple[int, ...]:
    """Return a token for six letters of a word, and for each byte of all else."""
    return tuple(_tokens(text))


def decode(ids: tuple[int, ...]) -> str:
    """Return the text of tokens."""
    spelt = (
        each.to_bytes(8, "big").lstrip(b"\0") if each > 0 else bytes([-each])
        for each in ids
    )
    return b"".join(spelt).decode()


def _tokens(text: str) -> Iterator[int]:
    for piece in re.findall(r"[A-Za-z0-9]{1,6}|.", text, re.DOTALL):
        if len(piece) > 1 or piece.isalnum():
            yield int.from_bytes(piece.encode(), "big")
        else:
            yield from (-byte for byte in piece.encode())


def snapshot(text: str, offset: int) -> Snapshot:
    """Return a document with a cursor."""
    return Snapshot(
        uri="file:///a.py", language_id="python", version=1, text=text, offset=offset
    )


def choose(
    text: str, offset: int, *, total: int, suffix: int, step_lines: int = 32
) -> Window:
    """Choose with the encoder of this file."""
    windows = LineWindows(encode=encode, step_lines=step_lines, suffix_lines=1000)
    return windows.choose(
        snapshot(text, offset), total_tokens=total, suffix_tokens=suffix
    )


LINES = st.text(alphabet="ab =é\t", max_size=40)
DOCUMENTS = st.lists(LINES, max_size=60).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n", "\r"]).map(lambda end: end.join(lines))
)


def inside_line_end(text: str, offset: int) -> bool:
    r"""Return whether the offset parts a ``\r\n``."""
    return text[max(0, offset - 1) : offset + 1] == "\r\n"


@settings(deadline=None)
@given(
    text=DOCUMENTS,
    data=st.data(),
    total=st.integers(0, 200),
    suffix=st.integers(0, 200),
    step_lines=st.integers(1, 40),
)
def test_windows_fit_and_are_of_the_text(
    text: str, data: st.DataObject, total: int, suffix: int, step_lines: int
) -> None:
    """Any window fits its budget and is exactly the text around the cursor."""
    offset = data.draw(st.integers(0, len(text)))
    if inside_line_end(text, offset):
        return
    window = choose(text, offset, total=total, suffix=suffix, step_lines=step_lines)
    assert len(window.suffix_ids) <= min(suffix, total)
    assert len(window.prefix_ids) + len(window.suffix_ids) <= total
    assert with_line_feeds(text[:offset]).endswith(decode(window.prefix_ids))
    assert with_line_feeds(text[offset:]).startswith(decode(window.suffix_ids))


@settings(deadline=None)
@given(text=DOCUMENTS, data=st.data(), total=st.integers(16, 200))
def test_at_least_half_of_the_budget_is_used(
    text: str, data: st.DataObject, total: int
) -> None:
    """The prefix is whole, or takes half of what it may."""
    offset = data.draw(st.integers(0, len(text)))
    window = choose(text, offset, total=total, suffix=0)
    is_whole = decode(window.prefix_ids) == with_line_feeds(text[:offset])
    assert is_whole or len(window.prefix_ids) * 2 > total - 8


def numbered(count: int) -> str:
    """Return a document of so many similar lines."""
    return "".join(f"line{at} = {at}\n" for at in range(count))


def start_of(offset: int, window: Window) -> int:
    """Return where the prefix of a document with line feeds starts."""
    return offset - len(decode(window.prefix_ids))


def test_the_left_cut_falls_on_a_step() -> None:
    """The prefix begins on a line whose number is a multiple of the step."""
    text = numbered(1000)
    for lines in range(400, 700, 7):
        offset = text.index(f"line{lines} ")
        start = start_of(offset, choose(text, offset, total=600, suffix=100))
        assert text.count("\n", 0, start) % 32 == 0
        assert "\n" == text[start - 1]
        assert start > 0


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("lines", [1, 5, 8, 20])
def test_the_suffix_is_a_number_of_lines_below_the_cursor(lines: int, end: str) -> None:
    """Keys and Enter do not change it, and a jump does not make it longer."""
    text = numbered(300).replace("\n", end)
    windows = LineWindows(encode=encode, step_lines=32, suffix_lines=lines)
    for at in (40, 41, 200):
        offset = text.index(f"line{at} ")
        rest = "".join(f"line{n} = {n}\n" for n in range(at, at + lines + 1))
        for typed in ("", "x", f"x{end}", f"x{end}    y{end}"):
            window = windows.choose(
                snapshot(text[:offset] + typed + text[offset:], offset + len(typed)),
                total_tokens=2000,
                suffix_tokens=1000,
            )
            assert rest == decode(window.suffix_ids)


def test_dense_lines_take_smaller_steps() -> None:
    """Where a step of lines is more than half of the budget, smaller steps serve."""
    text = "".join(f"x{at} = [{'1, ' * 20}]\n" for at in range(200))
    window = choose(text, len(text), total=400, suffix=0)
    assert 0 < len(window.prefix_ids) <= 400
    start = start_of(len(text), window)
    assert "\n" == text[start - 1]
    assert text.count("\n", 0, start) % 2 == 0


@pytest.mark.parametrize("length", [1000, 5000])
def test_a_very_long_line_is_cut_inside(length: int) -> None:
    """A line longer than the budget is cut, and half of the budget is used."""
    text = "a = '" + "é" * length
    window = choose(text, len(text), total=100, suffix=0)
    assert 50 < len(window.prefix_ids) <= 100
    window = choose(text, 5, total=100, suffix=60)
    assert 30 <= len(window.suffix_ids) <= 60


def test_a_long_line_above_does_not_empty_the_prefix() -> None:
    """A data line of a megabyte above the cursor still leaves a full prefix."""
    text = "x = 1\ndata = '" + "ab " * 400_000 + "'\ny = "
    window = choose(text, len(text), total=100, suffix=0)
    assert len(window.prefix_ids) > 50


def test_what_never_fits_is_left_out() -> None:
    """A character of more tokens than the suffix may take leaves the suffix empty."""
    window = choose("x = '\U0001f600'", 5, total=100, suffix=2)
    assert () == window.suffix_ids


def test_the_suffix_ends_on_a_line_end() -> None:
    """The suffix begins right behind the cursor and ends with a whole line."""
    text = numbered(500)
    offset = text.index("line250") + 4
    window = choose(text, offset, total=600, suffix=100)
    assert decode(window.suffix_ids).endswith("\n")
    assert 80 <= len(window.suffix_ids) <= 100


def test_the_suffix_is_capped_in_a_short_prefix_too() -> None:
    """At the top of a file the suffix does not grow: it would move on every key."""
    text = numbered(500)
    at_top = choose(text, 0, total=600, suffix=100)
    typed = choose("import re\n" + text, 10, total=600, suffix=100)
    assert at_top.suffix_ids == typed.suffix_ids


@settings(deadline=None)
@given(
    typed=st.text(alphabet="ab(=é \n", min_size=1, max_size=30),
    at_line=st.integers(0, 299),
)
def test_the_suffix_holds_still_while_typing(typed: str, at_line: int) -> None:
    """Whatever is typed, the suffix is the same tokens."""
    text = numbered(300)
    offset = text.index(f"line{at_line} ") + 3
    before = choose(text, offset, total=300, suffix=80)
    after = choose(
        text[:offset] + typed + text[offset:],
        offset + len(typed),
        total=300,
        suffix=80,
    )
    assert before.suffix_ids == after.suffix_ids


def test_typing_moves_the_left_cut_once_a_step() -> None:
    """Over hundreds of keys the cut moves as often as steps of lines are typed."""
    text = numbered(300)
    typed = numbered(100)
    windows = LineWindows(encode=encode, step_lines=32, suffix_lines=1000)
    cuts = []
    for offset in range(len(text), len(text) + len(typed)):
        window = windows.choose(
            snapshot((text + typed)[:offset], offset),
            total_tokens=600,
            suffix_tokens=100,
        )
        cuts.append(start_of(offset, window))
    moves = sum(one != two for one, two in itertools.pairwise(cuts))
    assert 3 <= moves <= 4
    assert sorted(cuts) == cuts


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("total", [60, 600, 6000])
def test_chunks_are_encoded_ahead(end: str, total: int) -> None:
    """An encoder gets all chunks of a usual document ahead at once, and few more."""
    announced: list[str] = []
    encoded: list[str] = []

    def noting_encode(text: str) -> tuple[int, ...]:
        encoded.append(text)
        return encode(text)

    text = numbered(1000).replace("\n", end)
    windows = LineWindows(
        encode=noting_encode,
        encode_ahead=announced.extend,
        step_lines=8,
        suffix_lines=1000,
    )
    offset = text.index("line500 ") + 4
    window = windows.choose(
        snapshot(text, offset), total_tokens=total, suffix_tokens=total // 3
    )
    unexpected = [chunk for chunk in encoded if chunk not in announced]
    # Those that are tried at the ends of the budget.
    assert sum(map(len, unexpected)) <= 64 * 12
    kept = decode(window.prefix_ids) + decode(window.suffix_ids)
    assert len("".join(announced).replace("\r", "")) <= max(4 * len(kept), 1000)


@pytest.mark.parametrize("line", ["x = 1\n", "é = 'wörter'\r\n", "y"])
def test_huge_documents_cost_little(line: str) -> None:
    """Of 50 MB, only what is near the cursor is encoded."""
    encoded = 0

    def counting_encode(text: str) -> tuple[int, ...]:
        nonlocal encoded
        encoded += len(text)
        return encode(text)

    text = line * (50_000_000 // len(line))
    windows = LineWindows(encode=counting_encode, step_lines=32, suffix_lines=1000)
    window = windows.choose(
        snapshot(text, len(text) // 2 + 1), total_tokens=1024, suffix_tokens=256
    )
    assert 512 <= len(window.prefix_ids) + len(window.suffix_ids) <= 1024
    assert encoded < 300_000
