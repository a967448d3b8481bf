"""Follows a growing file of JSON or text lines, and waits for one of them."""

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Self

__all__ = ["Event", "EventLog", "FollowedLog"]

Event = Mapping[str, object]

TIMEOUT_S = 60.0


class FollowedLog:
    """The lines of a file that may not exist yet; new ones are seen as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._tail = subprocess.Popen(
            ["tail", "--lines=+1", "--follow=name", "--retry", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def lines(self) -> tuple[str, ...]:
        """Every line so far."""
        with self._news:
            return tuple(self._lines)

    def mark(self) -> int:
        """Return how many lines there are: a place to search from."""
        with self._news:
            return len(self._lines)

    def wait_for_line(
        self,
        fits: Callable[[str], bool],
        *,
        since: int = 0,
        timeout_s: float = TIMEOUT_S,
    ) -> str:
        """Return the first line from ``since`` on that fits.

        Raises:
            AssertionError: None has come in time; the message has the last lines.
        """
        place = self.wait_for_place(fits, since=since, timeout_s=timeout_s)
        return self.lines[place]

    def wait_for_place(
        self,
        fits: Callable[[str], bool],
        *,
        since: int = 0,
        timeout_s: float = TIMEOUT_S,
    ) -> int:
        """Return which line is the first from ``since`` on that fits.

        Raises:
            AssertionError: None has come in time; the message has the last lines.
        """
        deadline = monotonic() + timeout_s
        with self._news:
            while True:
                for place in range(since, len(self._lines)):
                    if fits(self._lines[place]):
                        return place
                since = max(since, len(self._lines))
                if not self._news.wait(max(0.0, deadline - monotonic())):
                    reported = "\n".join(self._lines[-15:])
                    raise AssertionError(
                        f"no such line in {self.path.name}:\n{reported}"
                    )

    def close(self) -> None:
        """End the following."""
        self._tail.terminate()
        self._tail.wait()
        self._reading.join()
        if self._tail.stdout is not None:
            self._tail.stdout.close()

    def _read(self) -> None:
        assert self._tail.stdout is not None
        for line in self._tail.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()


class EventLog:
    """The events that the extension records in one window."""

    def __init__(self, log: FollowedLog, pid: int | None = None) -> None:
        """Read a log.

        Args:
            log: What ``MIDFILL_VSCODE_LOG`` names; windows share it.
            pid: The window's extension host; None takes every window's events.
        """
        self._log = log
        self.pid = pid

    def mark(self) -> int:
        """Return a place to search from."""
        return self._log.mark()

    def wait(
        self,
        name: str,
        /,
        *,
        since: int = 0,
        timeout_s: float = TIMEOUT_S,
        **values: object,
    ) -> Event:
        """Return the first event of this name and with these values."""
        after = self.wait_until_after(name, since=since, timeout_s=timeout_s, **values)
        event = self._parse(self._log.lines[after - 1])
        assert event is not None
        return event

    def wait_until_after(
        self,
        name: str,
        /,
        *,
        since: int = 0,
        timeout_s: float = TIMEOUT_S,
        **values: object,
    ) -> int:
        """Wait for an event, and return the place behind it to search from."""

        def fits(line: str) -> bool:
            event = self._parse(line)
            return event is not None and self._matches(event, name, values)

        try:
            place = self._log.wait_for_place(fits, since=since, timeout_s=timeout_s)
        except AssertionError as exc:
            raise AssertionError(f"no event {name} with {values}: {exc}") from exc
        return place + 1

    def all(
        self, name: str, /, *, since: int = 0, **values: object
    ) -> tuple[Event, ...]:
        """Return the events so far of this name and with these values."""
        parsed = (self._parse(line) for line in self._log.lines[since:])
        return tuple(
            event
            for event in parsed
            if event is not None and self._matches(event, name, values)
        )

    def _parse(self, line: str) -> Event | None:
        try:
            event: object = json.loads(line)
        except ValueError:
            return None
        return event if isinstance(event, dict) else None

    def _matches(self, event: Event, name: str, values: Mapping[str, object]) -> bool:
        if self.pid is not None and event.get("pid") != self.pid:
            return False
        return event.get("event") == name and all(
            event.get(key) == value for key, value in values.items()
        )
