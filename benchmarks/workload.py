"""What is completed: places in Python's own library, as if just being typed."""

import random
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Typing", "places"]

_VALUE_FOLLOWS = re.compile(r"(?<= = )\S.{10,60}$", re.MULTILINE)
_LEAST_CHARS, _MOST_CHARS = 20_000, 200_000
_LEAST_CHARS_BEFORE = 8_000
"""Enough left of the cursor to fill a prompt of 1,500 tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """A document, and the key that is pressed in it.

    Attributes:
        uri: The document's name; each of these has its own.
        text: The document before the key.
        offset: Where the key goes, in code points.
        key: The character that is typed; the completion is asked for behind it.
    """

    uri: str
    text: str
    offset: int
    key: str


def places(seed: int) -> Iterator[Typing]:
    """Return cursors behind a ``=`` whose right side is still missing, without end.

    The same seed and the same version of Python give the same cursors.
    """
    chance = random.Random(seed)  # noqa: S311 - an experiment's seed, not a secret
    folder = Path(sysconfig.get_path("stdlib"))
    paths = [
        path
        for path in sorted(folder.glob("*.py"))
        if _LEAST_CHARS <= path.stat().st_size <= _MOST_CHARS
    ]
    number = 0
    while True:
        path = chance.choice(paths)
        source = path.read_text(encoding="utf-8")
        found = [
            match
            for match in _VALUE_FOLLOWS.finditer(source)
            if match.start() >= _LEAST_CHARS_BEFORE
        ]
        if not found:
            continue
        number += 1
        match = chance.choice(found)
        at = match.start() - 1
        yield Typing(
            uri=f"file:///benchmark/{number}/{path.name}",
            text=source[:at] + source[match.end() :],
            offset=at,
            key=source[at],
        )
