"""Characters that are not seen, or change the order of those that are.

They can hide instructions to a model in its context, and in a suggestion they can make
code read as something else than it is ("Trojan Source", CVE-2021-42574). Where they
belong to what is seen they stay: in emoji, in scripts that join letters, as a
character's variant.

Sources: Unicode Technical Reports 36, 39 and 51; Unicode Standard, "Default ignorable".
"""

import re
import unicodedata

__all__ = ["hidden_in", "without_hidden"]

_HIDDEN = re.compile(
    "["
    "\x00-\x08\x0b\x0e-\x1f\x7f-\x9f"  # controls, but for tab, line ends and form feed
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f"  # zero width, marks and bidirectional
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # music, tags, variation selectors
    "]"
)
_FLAG = re.compile(
    "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
)
_JOINERS = "\u200c\u200d"
_ZWJ = "\u200d"
_EMOJI_STYLES = "\ufe0e\ufe0f"
_OTHER_EMOJI = (
    "\u203c\u2049\u2139\u2194\u25fb\u25fc\u25fd\u25fe\u2934\u2935\u3030\u303d"
)
"""Those that are no symbols or letters by their category."""

_KEYCAP = "\u20e3"
_PICTURES = range(0x1F000, 0x1FB00)
"""Emoji, skin tones among them, and those to come."""

_JOINED_SCRIPTS = range(0x0600, 0x1D00)
"""From Arabic over those of India to Vedic signs."""

_IDEOGRAPHS = range(0x2E80, 0x40000)


def without_hidden(text: str) -> str:
    """Return a text without the characters that are not seen."""
    kept = _places(text)
    if not kept:
        return text
    return "".join(char for at, char in enumerate(text) if at not in kept)


def hidden_in(text: str, start: int, end: int) -> list[int]:
    """Return where in a part of a text there are characters that are not seen."""
    if _HIDDEN.search(text, start, end) is None:
        return []
    return sorted(at for at in _places(text) if start <= at < end)


def _places(text: str) -> frozenset[int]:
    """Return where characters are that are not seen and belong to nothing seen."""
    places = {found.start() for found in _HIDDEN.finditer(text)}
    if not places:
        return frozenset()
    for flag in _FLAG.finditer(text):
        places.difference_update(range(*flag.span()))
    return frozenset(at for at in places if not _belongs(text, at))


def _belongs(text: str, at: int) -> bool:
    """Return whether the character there shapes those beside it."""
    char, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if not before:
        return False
    if char in _JOINERS:
        joins_letters = _is_joined_letter(before) and _is_joined_letter(after)
        return joins_letters or (
            char == _ZWJ and _is_emoji(before) and _is_emoji(after)
        )
    if char in _EMOJI_STYLES and (before in "#*0123456789"):
        return after == _KEYCAP
    if char in _EMOJI_STYLES and (_is_emoji(before) or before in _OTHER_EMOJI):
        return before not in _EMOJI_STYLES
    is_selector = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    return is_selector and ord(before) in _IDEOGRAPHS and before.isalpha()


def _is_joined_letter(char: str) -> bool:
    is_letter = unicodedata.category(char or " ") in {"Lo", "Mn", "Mc"}
    return is_letter and ord(char) in _JOINED_SCRIPTS


def _is_emoji(char: str) -> bool:
    """Return whether a character can stand beside a joiner in an emoji."""
    if not char:
        return False
    is_symbol = unicodedata.category(char) == "So" or ord(char) in _PICTURES
    # A selector belongs to the emoji before it.
    return is_symbol or char in _EMOJI_STYLES
