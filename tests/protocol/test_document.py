"""Edits keep the text equal to the editor's, whatever is in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

from lsp_server.errors import PositionError, StaleChangeError
from lsp_server.protocol.document import Document
from lsp_server.protocol.lines import PositionEncoding

ALPHABET = "ab\r\n\f\v\x1c\x85\u2028é漢😀𝄞"
CODECS = {
    PositionEncoding.UTF8: ("utf-8", 1),
    PositionEncoding.UTF16: ("utf-16-le", 2),
    PositionEncoding.UTF32: ("utf-32-le", 4),
}
FAR = 2**31 - 1


def oracle_offset(
    text: str, line: int, character: int, encoding: PositionEncoding
) -> int:
    """Walk to a position in the encoded bytes, one unit at a time."""
    codec, size = CODECS[encoding]
    data = text.encode(codec)
    units = [data[i : i + size] for i in range(0, len(data), size)]
    cr, lf = "\r".encode(codec), "\n".encode(codec)
    at = 0
    while line and at < len(units):
        if units[at] == lf or (units[at] == cr and units[at + 1 : at + 2] != [lf]):
            line -= 1
        at += 1
    if line:
        return len(text)
    end = at
    while end < len(units) and units[end] not in (cr, lf):
        end += 1
    stop = min(at + character, end)
    # Back out of the middle of a character.
    while True:
        try:
            return len(b"".join(units[:stop]).decode(codec))
        except UnicodeDecodeError:
            stop -= 1


@st.composite
def edits(draw: st.DrawFn) -> tuple[types.Range, str]:
    """Draw an edit whose range is in order; it may lie outside of the text."""
    near = st.integers(0, 6)
    lines = sorted([draw(near), draw(near)])
    columns = [draw(st.one_of(near, st.just(FAR))) for _ in lines]
    if lines[0] == lines[1]:
        columns.sort()
    start, end = (
        types.Position(line=line, character=column)
        for line, column in zip(lines, columns, strict=True)
    )
    return types.Range(start=start, end=end), draw(st.text(ALPHABET, max_size=6))


def opened(text: str, encoding: PositionEncoding = PositionEncoding.UTF16) -> Document:
    """Open a document."""
    item = types.TextDocumentItem(
        uri="file:///a.py", language_id="python", version=1, text=text
    )
    return Document(item, encoding)


def text_of(document: Document) -> str:
    """Return a document's text."""
    return document.snapshot(types.Position(line=0, character=0)).text


def at(line: int, character: int) -> types.Position:
    """Make a position."""
    return types.Position(line=line, character=character)


def partial(
    start: tuple[int, int], end: tuple[int, int], text: str
) -> types.TextDocumentContentChangePartial:
    """Make a change of a range."""
    return types.TextDocumentContentChangePartial(
        range=types.Range(start=at(*start), end=at(*end)), text=text
    )


def full(text: str) -> types.TextDocumentContentChangeWholeDocument:
    """Make a change of everything."""
    return types.TextDocumentContentChangeWholeDocument(text=text)


@settings(max_examples=400, deadline=None)
@given(
    st.text(ALPHABET, max_size=25),
    st.lists(edits(), max_size=5),
    st.sampled_from(PositionEncoding),
)
def test_edits_equal_an_independent_oracle(
    text: str, drawn: list[tuple[types.Range, str]], encoding: PositionEncoding
) -> None:
    """Step by step and all at once, edits do to the lines what they do to flat text.

    So do positions, and no position that is handed in is changed.
    """
    stepwise, at_once = opened(text, encoding), opened(text, encoding)
    changes = []
    for version, (edited, new) in enumerate(drawn, start=2):
        start = oracle_offset(text, edited.start.line, edited.start.character, encoding)
        end = oracle_offset(text, edited.end.line, edited.end.character, encoding)
        assert start == stepwise.snapshot(edited.start).offset
        assert end == stepwise.snapshot(edited.end).offset
        before = repr(edited)
        changes.append(types.TextDocumentContentChangePartial(range=edited, text=new))
        stepwise.change(version, [changes[-1]])
        assert before == repr(edited)
        text = text[:start] + new + text[end:]
        assert text == text_of(stepwise)
    at_once.change(2, changes)
    assert text == text_of(at_once)
    # The lines are still those of a document opened with this text.
    assert opened(text, encoding)._lines.lines == stepwise._lines.lines


@pytest.mark.parametrize(
    ("text", "start", "end", "new", "expected"),
    [
        ("", (0, 0), (0, 0), "x", "x"),
        ("", (5, 5), (9, 9), "x", "x"),
        ("abc", (0, 99), (0, 99), "X", "abcX"),
        ("abc\n", (0, 99), (0, 99), "X", "abcX\n"),
        ("abc\r\nd", (0, 99), (1, 0), "", "abcd"),
        ("abc", (7, 0), (7, 0), "X", "abcX"),
        ("a\fb\nc\n", (1, 0), (1, 1), "X", "a\fb\nX\n"),
        ("a\u2028b\nc\n", (1, 0), (1, 1), "X", "a\u2028b\nX\n"),
        ("a\rb", (1, 0), (1, 0), "\n", "a\r\nb"),
        ("a\r\nb", (1, 0), (1, 0), "\n", "a\r\n\nb"),
        ("😀", (0, 1), (0, 1), "X", "X😀"),
    ],
)
def test_an_edit(
    text: str, start: tuple[int, int], end: tuple[int, int], new: str, expected: str
) -> None:
    """This edit gives this text."""
    document = opened(text)
    document.change(2, [partial(start, end, new)])
    assert expected == text_of(document)


@pytest.mark.parametrize("version", [1, 0, -7])
def test_a_stale_change_desynchronises(version: int) -> None:
    """A version that is not newer than the one held costs the document its trust."""
    document = opened("abc")
    with pytest.raises(StaleChangeError, match=r"file:///a\.py"):
        document.change(version, [partial((0, 0), (0, 0), "X")])
    assert not document.whole


def test_a_stale_full_text_does_not_heal() -> None:
    """An old full text is not the editor's text either."""
    document = opened("abc")
    with pytest.raises(StaleChangeError):
        document.change(1, [full("old")])
    assert not document.whole


@pytest.mark.parametrize(
    ("start", "end"), [((0, 2), (0, 1)), ((1, 0), (0, 5)), ((0, 99), (0, 50))]
)
def test_a_reversed_range_desynchronises(
    start: tuple[int, int], end: tuple[int, int]
) -> None:
    """A range that ends before it starts is refused, even where both are clamped."""
    document = opened("abc\ndef")
    with pytest.raises(PositionError):
        document.change(2, [partial(start, end, "X")])
    assert not document.whole


def test_a_desynchronised_document_ignores_edits_until_a_full_text() -> None:
    """Edits do not make it whole; the full text does, and edits count again."""
    document = opened("abc")
    document.desynchronise()
    document.change(2, [partial((0, 0), (0, 0), "X")])
    assert (False, "abc") == (document.whole, text_of(document))
    document.change(3, [full("new"), partial((0, 0), (0, 0), "a ")])
    assert (True, "a new") == (document.whole, text_of(document))


def test_a_later_full_text_makes_earlier_edits_irrelevant() -> None:
    """Even a reversed range does no harm when the full text follows it."""
    document = opened("abc")
    document.change(2, [partial((0, 2), (0, 1), "X"), full("new")])
    assert document.whole
    assert text_of(document) == "new"


def test_no_changes_are_fine() -> None:
    """An empty list of changes only counts the version up."""
    document = opened("abc")
    document.change(2, [])
    assert document.snapshot(at(0, 0)).version == 2


def test_halves_of_surrogate_pairs_become_replacement_characters() -> None:
    """The text can be encoded, and columns right of the half stay right."""
    document = opened("\ud83dab")
    document.change(2, [partial((0, 2), (0, 2), "\udc00")])
    assert text_of(document) == "\ufffda\ufffdb"


def test_a_snapshot_knows_the_document() -> None:
    """A snapshot has what the editor said of the document, and the cursor."""
    snapshot = opened("ab\ncd").snapshot(at(1, 1))
    assert ("file:///a.py", "python", 1, "ab\ncd", 4) == (
        snapshot.uri,
        snapshot.language_id,
        snapshot.version,
        snapshot.text,
        snapshot.offset,
    )


def test_a_snapshot_with_a_selected_item_in_place() -> None:
    """The item stands in place of its range, the cursor after it."""
    document = opened("x = pri\ny")
    replaced = types.Range(start=at(0, 4), end=at(0, 7))
    snapshot = document.snapshot_after(replaced, "print")
    assert snapshot.text == "x = print\ny"
    assert snapshot.before == "x = print"
    assert text_of(document) == "x = pri\ny"


def test_a_selected_item_takes_the_place_of_lines() -> None:
    """What stands below the range's last line stays, and nothing else does."""
    document = opened("a\nbc\nde\nf\ng")
    replaced = types.Range(start=at(1, 1), end=at(3, 0))
    assert "a\nbxf\ng" == document.snapshot_after(replaced, "x").text
    upper = types.Range(start=at(0, 0), end=at(1, 1))
    assert "xc\nde\nf\ng" == document.snapshot_after(upper, "x").text


def test_an_edit_of_a_long_document_touches_little() -> None:
    """A key stroke in 200,000 lines keeps every other line object as it is.

    This is why it costs microseconds; splitting and joining the text would make new
    lines.
    """
    document = opened("value = 1\n" * 200_000)
    before = list(document._lines.lines)
    document.change(2, [partial((100_000, 5), (100_000, 5), "x")])
    after = document._lines.lines
    changed = [i for i, line in enumerate(before) if line is not after[i]]
    assert changed == [100_000]
