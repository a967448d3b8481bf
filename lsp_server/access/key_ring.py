"""The API keys that hold now, and whose a presented key is."""

import hmac
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from lsp_server.access.key_file import (
    KeyLines,
    Stamp,
    default_key_file,
    parse_lines,
    read,
)
from lsp_server.access.keys import Key, digest_of
from lsp_server.errors import KeyFileError

__all__ = ["KEYS_VARIABLE", "KeyRing"]

KEYS_VARIABLE = "MIDFILL_KEYS"
"""The environment variable that can hold the lines of a key file instead of a file."""

_CHECK_EVERY_S = 1.0

_log = logging.getLogger(__name__)

Clock = Callable[[], float]


class KeyRing:
    """The API keys of a server; `load` makes one.

    A file is looked at again at most once a second, when a key is identified. A file
    that cannot be used then leaves the keys as they were, and is logged. Once a ring
    has had a key, revoked ones included, keys stay required for its whole life: to
    remove a file opens nothing.

    Args:
        path: The file; None where the keys do not change.
        clock: Returns monotonic time in seconds.
        wall_clock: Returns the time of day in seconds, by which keys expire.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
    ) -> None:
        self._path = path
        self._clock = clock
        self._wall_clock = wall_clock
        self._checked_s = clock()
        self._stamp: Stamp | None = None
        self._digests: tuple[tuple[float, bytes], ...] = ()
        # Numbered as the digests are, from 1 on: 0 stands for a key that is nobody's.
        self._keys: tuple[Key | None, ...] = (None,)
        self._ends_s: tuple[float, ...] = (0.0,)
        self._problems: tuple[KeyFileError, ...] = ()
        self._required = False

    @classmethod
    def load(
        cls,
        path: Path | None,
        environment: Mapping[str, str],
        *,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
    ) -> Self:
        """Read the keys of the environment variable if it is set, else of a file.

        Args:
            path: The file; None for the user's own. A missing file holds no keys, and
                may appear later.
            environment: The process's environment variables.
            clock: Returns monotonic time in seconds.
            wall_clock: Returns the time of day in seconds, by which keys expire.

        Raises:
            KeyFileError: The file cannot be used at all. A broken line is no reason:
                it becomes one of `problems`, and the other lines hold.
        """
        text = environment.get(KEYS_VARIABLE, "")
        if text.strip():
            ring = cls(None, clock=clock, wall_clock=wall_clock)
            ring._take(parse_lines(text, place=KEYS_VARIABLE))
            return ring
        ring = cls(path or default_key_file(), clock=clock, wall_clock=wall_clock)
        ring._read()
        return ring

    @property
    def problems(self) -> tuple[KeyFileError, ...]:
        """What is wrong with the keys as they are now."""
        return self._problems

    @property
    def required(self) -> bool:
        """Whether there is a key, or a line that should have been one, or once was."""
        self._refresh()
        return self._required

    def identify(self, presented: str) -> Key | None:
        """Return whose key this is; None if it is nobody's, expired or revoked.

        It takes as long for a wrong key as for a right one: digests are compared in
        constant time, and always with all entries.
        """
        self._refresh()
        digest = digest_of(presented)
        found = 0.0
        for at, known in self._digests:
            # In floats, because sums of integers take longer when they are not 0.
            found += hmac.compare_digest(known, digest) * at
        number = int(found)
        return self._keys[number] if self._wall_clock() < self._ends_s[number] else None

    def _refresh(self) -> None:
        """Read the file again if a second has passed and it is another."""
        now_s = self._clock()
        if self._path is None or now_s - self._checked_s < _CHECK_EVERY_S:
            return
        self._checked_s = now_s
        try:
            stamp = Stamp.of(self._path.stat())
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return
        try:
            self._read()
        except KeyFileError as error:
            # Read again next time: a process short of descriptors cannot open a file
            # that stays the same, and a key may be revoked in it.
            known, self._problems = self._problems, (error,)
            if str(error) not in map(str, known):
                self._log_problems()
        else:
            _log.info("access.keys_reloaded", extra={"keys": len(self._digests)})

    def _read(self) -> None:
        """Replace the keys by those of the file.

        Raises:
            KeyFileError: The file cannot be used.
        """
        lines = KeyLines(keys=(), problems=())
        self._stamp = None
        if self._path is not None:
            try:
                text, self._stamp = read(self._path)
            except FileNotFoundError:
                text = ""
            lines = parse_lines(text, place=str(self._path))
        self._take(lines)

    def _take(self, lines: KeyLines) -> None:
        """Replace the valid keys."""
        digests = [stored.digest for stored in lines.keys]
        self._digests = tuple((float(at), each) for at, each in enumerate(digests, 1))
        self._keys = (None, *(stored.key for stored in lines.keys))
        self._ends_s = (0.0, *(stored.ends_s for stored in lines.keys))
        self._problems = lines.problems
        self._required |= bool(lines.keys or lines.problems)
        self._log_problems()

    def _log_problems(self) -> None:
        for problem in self._problems:
            extra = {"subject": problem.subject, "what": problem.what}
            _log.warning("access.key_unusable", extra=extra)
