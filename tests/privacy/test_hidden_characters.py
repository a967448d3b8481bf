"""Characters that are not seen, beside those that belong to what is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.privacy.hidden_characters import hidden_in, without_hidden


@pytest.mark.parametrize(
    "text",
    [
        "👩‍💻 👩🏽‍💻 ❤️‍🔥 🏳️‍🌈 1️⃣ ©️ \u2139\ufe0f ↔️ 👨‍👩‍👧‍👦",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "می‌خواهم",
        "क्‍ष",
        "葛\U000e0100",
        "naïve e\u0301 日本語 עברית العربية",
        "a\tb\r\n\fc",
    ],
)
def test_what_belongs_to_the_text_stays(text: str) -> None:
    """Emoji, scripts that join their letters, and variants of ideographs."""
    assert without_hidden(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u200bb\u200cc\u200dd\u2060e", "abcde"),
        ("if a\u202e == b\u2066:\u2069", "if a == b:"),
        ("\ufeffimport os", "import os"),
        ("x\u00ad = 1", "x = 1"),
        ("x\U000e0068\U000e0069", "x"),
        ("🏴\U000e0068\U000e0069", "🏴"),
        ("a\ufe0f\ufe01", "a"),
        ("😀\ufe0f\ufe0f\ufe0e", "😀\ufe0f"),
        ("\u3164 = 1", " = 1"),
        ("\x1b[31m\x08", "[31m"),
        ("👩\u200d", "👩"),
    ],
)
def test_what_is_not_seen_goes(text: str, expected: str) -> None:
    """Zero width, bidirectional, tags, selectors without a character, controls."""
    assert without_hidden(text) == expected
    assert hidden_in(text, 0, len(text))


def test_only_the_part_that_is_asked_about_counts() -> None:
    """The rest says what the part belongs to."""
    assert hidden_in("\u200ba👩\u200d💻", 1, 5) == []
    assert hidden_in("ab\u202e", 0, 2) == []


@given(st.text(st.characters(max_codepoint=0x10FFFF)))
def test_nothing_is_left_to_take_away(text: str) -> None:
    """What is taken away once leaves nothing that would be taken away then."""
    once = without_hidden(text)

    assert once.count("\n") == text.count("\n")
    assert without_hidden(once) == once
