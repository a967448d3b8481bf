"""Cursors in Python's own library where somebody pauses in typing, of several kinds.

The rest of the cursor's line is taken away: it is not written yet. The lines below it
stay. The same seed and the same version of Python give the same cursors.
"""

import io
import keyword
import random
import re
import sysconfig
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

__all__ = ["KINDS", "Pause", "pauses"]

_LEAST_BYTES, _MOST_BYTES = 5_000, 200_000
_LEAST_LINES_BEFORE = 15

_PATTERNS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "dot": re.compile(r"(?<=\w\.)[A-Za-z_]\w+"),
        "blank": re.compile(r"(?<=[\w=,:+] )[A-Za-z_\"'\[(]"),
        "bracket": re.compile(r"(?<=\w\()[A-Za-z_\"']"),
        "operator": re.compile(r"(?<= [=!<>+])= "),
        "number": re.compile(r"(?<=\b\d)\d+"),
        "string": re.compile(r"(?<=[\"'])\w+"),
        "indentation": re.compile(r"(?<=\n    )(?=[a-z])|(?<=\n {8})(?=[a-z])"),
        "half an indentation": re.compile(r"(?<=\n    )(?= {4}[a-z])"),
    }
)
"""What begins right of the cursor, and what stands left of it."""

KINDS = ("identifier", "keyword", *_PATTERNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A document with a cursor, and what was written there in truth.

    Attributes:
        name: The file's name.
        text: The document without the rest of the cursor's line.
        offset: The cursor, in code points.
        typed: What of a word was typed; empty where the cursor is in none.
        word: The rest of that word, or the next word or operator.
        line: The rest of the line.
    """

    name: str
    text: str
    offset: int
    typed: str
    word: str
    line: str


def pauses(kind: str, seed: int) -> Iterator[Pause]:
    """Yield cursors of a kind without end, at most one of a file in a row."""
    chance = random.Random(seed)  # noqa: S311 - an experiment's seed, not a secret
    folder = Path(sysconfig.get_path("stdlib"))
    paths = [
        path
        for path in sorted(folder.glob("*.py"))
        if _LEAST_BYTES <= path.stat().st_size <= _MOST_BYTES
    ]
    while True:
        path = chance.choice(paths)
        source = path.read_text(encoding="utf-8")
        found = [
            each
            for each in _found(kind, source)
            if source.count("\n", 0, each[0]) >= _LEAST_LINES_BEFORE
        ]
        if found:
            start, word = chance.choice(found)
            typed = chance.randint(1, len(word) - 1) if word else 0
            yield _pause(path.name, source, start + typed, word[:typed])


def _found(kind: str, source: str) -> list[tuple[int, str]]:
    """Return where the kind's places are; of words, from their first letter on."""
    if kind in _PATTERNS:
        return [(match.start(), "") for match in _PATTERNS[kind].finditer(source)]
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    wants_keyword = kind == "keyword"
    return [
        (starts[token.start[0] - 1] + token.start[1], token.string)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.NAME
        and len(token.string) > 2
        and keyword.iskeyword(token.string) is wants_keyword
    ]


def _pause(name: str, source: str, offset: int, typed: str) -> Pause:
    """Return the file without what stands right of the cursor in its line."""
    end = source.find("\n", offset)
    line = source[offset : end if end >= 0 else len(source)]
    word = re.match(r"\w*", line) if typed else re.match(r"\s*(\w+|[^\w\s]+|)", line)
    return Pause(
        name=name,
        text=source[:offset] + source[offset + len(line) :],
        offset=offset,
        typed=typed,
        word=word[0] if word else "",
        line=line,
    )
