"""A simulated typist: the same seed types the same keys at the same pace.

The typist writes what once stood in a file of Python's own library, a few characters at
a time, and asks for a completion after each burst, as an editor does when the keys
pause; every tenth pause is a longer one, for thinking. Now and then a key is wrong and
taken back, a line ends with Enter and its indentation, or the cursor jumps to another
place. A suggestion may be accepted; what does not belong there is deleted again with
the next burst.
"""

import random
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["JUMP_SHARE", "MOST_KEYS", "Burst", "Edit", "Typist", "pause_of"]

_LEAST_BYTES, _MOST_BYTES = 15_000, 150_000
_LEAST_LINES_BEFORE = 40
MOST_KEYS = 6
_WRONG_KEY_SHARE = 0.03
JUMP_SHARE = 0.04
_ACCEPT_SHARE = 0.15
_THINK_SHARE, _THINK_FACTOR = 0.1, 4.0
"""Of the pauses so many are for thinking, and so many times as long as the mean."""

_TYPE_FACTOR = (1 - _THINK_SHARE * _THINK_FACTOR) / (1 - _THINK_SHARE)
"""The other pauses are shorter than the mean, so that it is the mean of all."""

_LINES_TO_WRITE = (3, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of the document: what stands between two places becomes ``text``.

    Attributes:
        start: Line and character of its start, both from 0.
        end: Line and character of its end, in the document before the change.
        text: What stands there afterwards.
    """

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What is typed without a pause; the completion is asked for behind it.

    Attributes:
        pause_s: From the burst before to the end of this one.
        edits: One for each key.
        accepts: Whether the suggestion is accepted, if it comes before the next burst.
    """

    pause_s: float
    edits: Sequence[Edit]
    accepts: bool


class Typist:
    """Writes in one document.

    Args:
        seed: Of the whole run.
        number: Which typist it is; each has a document and habits of its own.
        interval_s: Mean time between two requests.
    """

    def __init__(self, seed: int, number: int, interval_s: float) -> None:
        """Choose a document and a place in it."""
        self._chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a simulation's seed
        self._interval_s = interval_s
        path = self._chance.choice(_sources())
        self.uri = f"file:///load/{number}/{path.name}"
        self.text = path.read_text(encoding="ascii")
        self.cursor = 0
        self._ahead = ""
        self._accepted: Edit | None = None
        self._jump()

    def next_burst(self) -> Burst:
        """Decide on the next burst, and type it into ``text``."""
        chance = self._chance
        pause_s = self._interval_s * pause_of(chance)
        accepts = chance.random() < _ACCEPT_SHARE
        edits = [*self._take_back()]
        if not self._ahead or chance.random() < JUMP_SHARE:
            self._jump()
        if self._ahead.startswith("\n"):
            keys = "\n" + _indentation(self._ahead[1:])
            edits.append(self._insert(keys))
        else:
            keys = self._ahead.partition("\n")[0][: chance.randint(1, MOST_KEYS)]
            for key in keys:
                if chance.random() < _WRONG_KEY_SHARE:
                    edits.append(self._insert("#"))
                    edits.append(self._delete(1))
                edits.append(self._insert(key))
        self._ahead = self._ahead[len(keys) :]
        return Burst(pause_s=pause_s, edits=edits, accepts=accepts)

    def accept(self, text: str) -> Edit:
        """Accept a suggestion at the cursor; the next burst deletes it."""
        self._accepted = self._insert(text)
        return self._accepted

    def position(self) -> tuple[int, int]:
        """Return the cursor's line and character, both from 0."""
        return self._position(self.cursor)

    def _take_back(self) -> list[Edit]:
        accepted, self._accepted = self._accepted, None
        return [self._delete(len(accepted.text))] if accepted else []

    def _insert(self, text: str) -> Edit:
        return self._replace(self.cursor, text)

    def _delete(self, count: int) -> Edit:
        return self._replace(self.cursor - count, "")

    def _replace(self, start: int, text: str) -> Edit:
        """Replace what stands from ``start`` to the cursor."""
        edit = Edit(start=self._position(start), end=self.position(), text=text)
        self.text = self.text[:start] + text + self.text[self.cursor :]
        self.cursor = start + len(text)
        return edit

    def _position(self, offset: int) -> tuple[int, int]:
        line_start = self.text.rfind("\n", 0, offset) + 1
        return self.text.count("\n", 0, offset), offset - line_start

    def _jump(self) -> None:
        """Go to the end of another line; the text below it is what will be written.

        It stays where it is, as the lines of a similar function would.
        """
        lines = self.text.splitlines(keepends=True)
        most = max(_LEAST_LINES_BEFORE + 1, len(lines) - _LINES_TO_WRITE[1] - 1)
        line = self._chance.randrange(_LEAST_LINES_BEFORE, most)
        self.cursor = sum(map(len, lines[:line])) - 1
        count = self._chance.randint(*_LINES_TO_WRITE)
        self._ahead = "\n" + "".join(lines[line : line + count]).rstrip("\n")


def pause_of(chance: random.Random) -> float:
    """Return the pause from one burst to the next, as a share of the mean one."""
    thinks = chance.random() < _THINK_SHARE
    factor = _THINK_FACTOR if thinks else _TYPE_FACTOR
    return factor * chance.gammavariate(2.0, 0.5)


def _indentation(line: str) -> str:
    """Return the blanks that an editor puts at the beginning of a line."""
    return line[: len(line) - len(line.lstrip(" "))]


@cache
def _sources() -> tuple[Path, ...]:
    """Return the files of Python's own library that are long enough, in ASCII."""
    folder = Path(sysconfig.get_path("stdlib"))
    return tuple(
        path
        for path in sorted(folder.glob("*.py"))
        if _LEAST_BYTES <= path.stat().st_size <= _MOST_BYTES and _is_plain(path)
    )


def _is_plain(path: Path) -> bool:
    """Return whether a file has only what every client counts alike."""
    content = path.read_bytes()
    return content.isascii() and not any(mark in content for mark in b"\r\f\v")
