"""Huge, minified and binary documents are named before any work is done."""

import pytest

from lsp_server.config import CompletionConfig
from lsp_server.service.suitability import why_unsuitable
from lsp_server.values import Snapshot

LIMITS = CompletionConfig(max_document_chars=20, max_line_chars=8)


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("", 0, None),
        ("x = 1\n" * 3, 0, None),
        ("x" * 21, 0, "too-large"),
        ("x" * 9, 4, "line-too-long"),
        ("x" * 9 + "\ny", 11, None),
        ("a\0b", 1, "binary"),
    ],
)
def test_the_reason_is_named(text: str, offset: int, expected: str | None) -> None:
    """The document's size, the cursor's line and zero bytes decide."""
    snapshot = Snapshot(
        uri="file:///a.py", language_id="python", version=1, text=text, offset=offset
    )
    reason = why_unsuitable(snapshot, LIMITS)
    assert expected == (reason and reason.word)
