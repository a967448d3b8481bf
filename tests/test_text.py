"""Lines are counted and found as the protocol counts them."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.text import count_line_ends, line_starts, with_line_feeds

TEXTS = st.text(alphabet="ab\n\r\u2028", max_size=30)


@settings(deadline=None)
@given(text=TEXTS, data=st.data())
def test_counting_agrees_with_finding(text: str, data: st.DataObject) -> None:
    r"""As many lines end before an offset as begin, unless it splits a ``\r\n``."""
    offset = data.draw(st.integers(0, len(text)))
    if text[max(0, offset - 1) : offset + 1] != "\r\n":
        found = line_starts(text, 0, offset)
        assert len(found) == count_line_ends(text, offset)


@settings(deadline=None)
@given(text=TEXTS)
def test_line_feeds_keep_the_lines(text: str) -> None:
    """Rewriting line ends changes nothing else."""
    expected = re.split(r"\r\n|\n|\r", text)
    assert expected == with_line_feeds(text).split("\n")
