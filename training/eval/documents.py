"""A source file to draw cursors in."""

import re
from dataclasses import dataclass

__all__ = ["Document", "canonical"]

_BETWEEN_WORDS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A source file.

    Attributes:
        package: Canonical name of the package that it is of; None where that is not
            known.
        turn: Files of different turns are drawn in turns, so that a large one does not
            stand for all.
        path: Its path below what was named.
        text: Its text.
    """

    package: str | None
    turn: str
    path: str
    text: str


def canonical(package: str) -> str:
    """Return a package's name as indices compare it. Source: PEP 503."""
    return _BETWEEN_WORDS.sub("-", package).lower()
