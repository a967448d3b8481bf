"""Ignore files, read in the syntax of ``.gitignore`` and followed as they change."""

import functools
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pathspec.patterns.gitignore.base import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

__all__ = ["IgnoreFile", "IgnoreFiles", "IgnorePatterns", "first_decision"]

_MOST_FILES = 20_000
_MOST_BYTES = 1_000_000
"""No one writes an ignore file that is larger."""

_MOST_DECISIONS = 4096

_Stamp = tuple[int, int, int]
"""Time of the last change, size and inode."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IgnorePatterns:
    """Patterns that decide as git does.

    Folders are asked about by themselves, from the outermost inwards: a pattern that
    matches a folder says nothing here about what lies in it.

    Attributes:
        patterns: Each pattern, and whether it excludes; the last line first, since the
            last one decides.
        folds_case: Whether upper and lower case are the same.
    """

    patterns: tuple[tuple[re.Pattern[str], bool], ...]
    folds_case: bool = False

    @classmethod
    def of(cls, lines: Iterable[str], *, folds_case: bool = False) -> Self:
        """Read the lines; those that are no pattern count for nothing."""
        patterns = []
        for line in lines:
            pattern = _pattern(line.casefold() if folds_case else line)
            if pattern is not None:
                patterns.append(pattern)
        return cls(patterns=tuple(reversed(patterns)), folds_case=folds_case)

    def decide(self, path: str) -> bool | None:
        """Return whether a path is ignored; None where no pattern matches it.

        Args:
            path: Relative to the ignore file's folder, with forward slashes; that of a
                folder ends with one.
        """
        return _decision(self, path.casefold() if self.folds_case else path)


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreFile:
    """An ignore file as it was when it was read.

    Attributes:
        base: The folder that its patterns are relative to, with a slash at the end.
        stamp: Which state of the file was read.
        patterns: Its patterns.
    """

    base: str
    stamp: _Stamp
    patterns: IgnorePatterns


class IgnoreFiles:
    """Reads ignore files, each again only when it has changed."""

    def __init__(self) -> None:
        self._read: dict[str, IgnoreFile] = {}

    def get(self, path: str, base: str) -> IgnoreFile | None:
        """Return the ignore file as it is now; None where there is none to read.

        Args:
            path: The file.
            base: The folder that its patterns are relative to, with a slash at the end.
        """
        known = self._read.get(path)
        try:
            facts = os.stat(path)  # noqa: PTH116  # for each folder of a workspace
            stamp = facts.st_mtime_ns, facts.st_size, facts.st_ino
            if known is not None and known.stamp == stamp:
                return known
            # A pipe would be waited for.
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MOST_BYTES:
                return None
            content = Path(path).read_bytes()
        except OSError:
            self._read.pop(path, None)
            return None
        # As in the paths that Python makes of the bytes of names.
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
        patterns = IgnorePatterns.of(text.split("\n"))
        if len(self._read) >= _MOST_FILES:
            self._read.clear()
        file = IgnoreFile(base=base, stamp=stamp, patterns=patterns)
        self._read[path] = file
        return file


@functools.lru_cache(_MOST_DECISIONS)
def _decision(rules: IgnorePatterns, path: str) -> bool | None:
    """Return what patterns say; the latest answers hold as long as the patterns."""
    for pattern, excludes in rules.patterns:
        for match in pattern.finditer(path):
            # The group is the slash behind the folder that the pattern names.
            if match.lastindex is None or match.end(match.lastindex) == len(path):
                return excludes
    return None


def first_decision(files: Sequence[IgnoreFile], path: str) -> bool | None:
    """Return what the first file with a pattern for an absolute path says of it."""
    for file in files:
        decided = file.patterns.decide(path[len(file.base) :])
        if decided is not None:
            return decided
    return None


def _pattern(line: str) -> tuple[re.Pattern[str], bool] | None:
    """Return the pattern of one line; None where git passes over it."""
    # "a/**" is what lies in a, without a itself.
    stripped = line.rstrip()
    line = f"{stripped}/*" if stripped.endswith("/**") else line
    try:
        pattern = GitIgnoreSpecPattern(line)
    except (GitIgnorePatternError, ValueError, re.error):
        return None
    if pattern.regex is None or pattern.include is None:
        return None  # a comment or a blank line
    return pattern.regex, pattern.include
