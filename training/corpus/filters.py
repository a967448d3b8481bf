"""Says which files are not worth learning from, and why.

Looser than usual for such corpora: unique text is what a small model lacks, and a file
with some long lines still teaches. Every reason is counted in the corpus's manifest.
"""

import re
from pathlib import PurePosixPath

from training.corpus.licences import is_gpl_text

__all__ = ["LARGEST_BYTES", "reject_path", "reject_text"]

LARGEST_BYTES = 1_000_000
"""A larger file is a table, or generated."""

_SHORTEST_CHARACTERS = 64
_LONGEST_LINE_CHARACTERS = 1_000
_LONGEST_MEAN_LINE_CHARACTERS = 120
_LEAST_LETTERS = 0.4
"""Share of letters and underscores among what is not white space; code has 0.7."""

_MOST_NON_ASCII = 0.2
_HEAD_LINES = 12
_NOTICE_CHARACTERS = 4_000

_VENDOR_FOLDERS = frozenset(
    {
        "3rdparty",
        "_extern",
        "_vendor",
        "_vendored",
        "extern",
        "externals",
        "third_party",
        "thirdparty",
        "vendor",
        "vendored",
        "vendored_packages",
    }
)
_GENERATED_NAME = re.compile(r".*_pb2(_grpc)?\.py|(lex|parse|yacc)tab\.py|_version\.py")
_GENERATED = re.compile(
    r"@generated\b|\bdo not (edit|modify)\b|"
    r"\bauto(matically)?[ -]?generated\b|\b(code|file)( was| is)? generated\b|"
    r"^\W*generated (by|from|with)\b",
    re.IGNORECASE | re.MULTILINE,
)


def reject_path(path: str, *, size_bytes: int) -> str | None:
    """Give the reason to leave a file unread, or None.

    Args:
        path: Path inside the package, with forward slashes.
        size_bytes: Size of the file.
    """
    parts = PurePosixPath(path).parts
    # The package's licence says nothing about copies of other packages inside it.
    if _VENDOR_FOLDERS.intersection(parts[:-1]):
        return "vendored"
    if _GENERATED_NAME.fullmatch(parts[-1]):
        return "generated"
    if size_bytes > LARGEST_BYTES:
        return "too large"
    return None


def reject_text(text: str) -> str | None:
    """Give the reason to drop a file because of what it says, or None."""
    if len(text.strip()) < _SHORTEST_CHARACTERS:
        return "too short"
    if "\0" in text:
        return "not text"
    if is_gpl_text(text[:_NOTICE_CHARACTERS]):
        return "GPL notice"
    lines = text.splitlines()
    if _GENERATED.search("\n".join(lines[:_HEAD_LINES])):
        return "generated"
    return _reject_shape(text, lines)


def _reject_shape(text: str, lines: list[str]) -> str | None:
    if max(map(len, lines)) > _LONGEST_LINE_CHARACTERS:
        return "long line"
    if len(text) > _LONGEST_MEAN_LINE_CHARACTERS * len(lines):
        return "long lines on average"
    if not text.isascii():
        ascii_characters = len(text.encode("ascii", "ignore"))
        if len(text) - ascii_characters > _MOST_NON_ASCII * len(text):
            return "little ASCII"
    if _letters(text) < _LEAST_LETTERS:
        return "little alphabetic text"
    return None


def _letters(text: str) -> float:
    """Give the share of letters and underscores in what is not white space."""
    visible = "".join(text.split())
    return len(re.sub(r"[\W\d]+", "", visible)) / len(visible)
