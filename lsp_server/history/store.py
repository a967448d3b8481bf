"""The files of the record: JSON lines by day, bounded in bytes and days.

A file's name is its day and a number, so that names sort as time does. A line is
written whole by one call in append mode: processes of one user share the files.
"""

import dataclasses
import json
import logging
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lsp_server.history.events import RequestEvent, SuggestionEvent
from lsp_server.operating_system import user_folder

__all__ = ["Event", "EventStore", "Limits", "events_folder", "newest_first"]

_log = logging.getLogger(__name__)

Event = RequestEvent | SuggestionEvent

_KINDS = {"request": RequestEvent, "suggestion": SuggestionEvent}
_SUFFIX = ".jsonl"
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_AT_ONCE = 64
"""Events that one call writes at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is kept.

    Attributes:
        days: Files of earlier days are deleted.
        total_bytes: The oldest files are deleted until all are within this.
        file_bytes: A file that has reached this is followed by another.
        waiting: Events that may wait for a slow disk; further ones are lost.
    """

    days: int = 30
    total_bytes: int = 32 << 20
    file_bytes: int = 1 << 20
    waiting: int = 4096


def events_folder() -> Path | None:
    """Return the user's folder of the record; None for a user without a home."""
    state = user_folder("state")
    return state / "events" if state is not None else None


class EventStore:
    """Writes events in a thread of its own; what goes wrong costs the record alone.

    Nothing is written, and no thread started, before the first event.

    Args:
        folder: Where the files lie; None records nothing.
        limits: How much is kept.
    """

    def __init__(self, folder: Path | None, limits: Limits | None = None) -> None:
        """Keep the place."""
        self._folder = folder
        self._limits = limits or Limits()
        self._waiting: queue.Queue[Event | None] = queue.Queue(self._limits.waiting)
        self._thread: threading.Thread | None = None
        self._file: _DayFile | None = None
        self._lost = 0

    def add(self, event: Event) -> None:
        """Have an event written; neither waits nor raises."""
        if self._folder is None:
            return
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._write_all,
                args=(self._folder,),
                name="event-store",
                daemon=True,
            )
            self._thread.start()
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self._note_lost(1, "too many events wait for the disk")

    def close(self, *, timeout_s: float = 1.0) -> None:
        """Write what waits, for at most ``timeout_s`` seconds; nothing comes after."""
        folder, self._folder = self._folder, None
        if self._thread is None or folder is None:
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _write_all(self, folder: Path) -> None:
        """Write events as they come, until `close`; runs in the thread."""
        is_open = True
        while is_open:
            batch = [self._waiting.get()]
            while len(batch) < _AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get())
            is_open = None not in batch
            events = [each for each in batch if each is not None]
            try:
                for event in events:
                    self._write(folder, event)
            except OSError as error:
                self._file = None
                self._note_lost(len(events), os.strerror(error.errno or 0))

    def _write(self, folder: Path, event: Event) -> None:
        """Write one event into its day's newest file.

        Raises:
            OSError: The folder or the file cannot be written.
        """
        day = event.at.date()
        file = self._file
        if file is None or file.day != day or file.is_full(self._limits.file_bytes):
            folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
            folder.chmod(_PRIVATE_FOLDER)
            _delete_old(folder, day, self._limits)
            file = self._file = _DayFile(folder, day, self._limits.file_bytes)
        file.append(_line_of(event))

    def _note_lost(self, count: int, what: str) -> None:
        """Count events that were not written, and report the first."""
        self._lost += count
        if self._lost == count:
            _log.warning("events.not_written", extra={"what": what})


class _DayFile:
    """The newest file of a day."""

    def __init__(self, folder: Path, day: date, file_bytes: int) -> None:
        """Choose the file: a day's last one, or one more if that is full."""
        there = sorted(folder.glob(f"{day.isoformat()}.*{_SUFFIX}"))
        number = int(there[-1].name.split(".")[1]) if there else 0
        if there and there[-1].stat().st_size >= file_bytes:
            number += 1
        self.day = day
        self._path = folder / f"{day.isoformat()}.{number:04d}{_SUFFIX}"
        self._size = self._path.stat().st_size if self._path.exists() else 0
        # What another process or a full disk has left unfinished is ended first.
        self._is_at_line_start = self._size == 0

    def is_full(self, file_bytes: int) -> bool:
        """Return whether another file must follow."""
        return self._size >= file_bytes

    def append(self, line: bytes) -> None:
        """Append a line.

        Raises:
            OSError: Not all of it could be written.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self._path, flags, _PRIVATE_FILE)
        try:
            rest = line if self._is_at_line_start else b"\n" + line
            self._is_at_line_start = False
            while rest:
                rest = rest[os.write(fd, rest) :]
            self._is_at_line_start = True
            self._size = os.fstat(fd).st_size
        finally:
            os.close(fd)


def newest_first(folder: Path | None, *, since: date | None = None) -> Iterator[Event]:
    """Read events, those written last first; what cannot be read is passed over.

    Args:
        folder: Where the files lie.
        since: The first day to read; None for all.
    """
    files = [] if folder is None else sorted(folder.glob(f"*{_SUFFIX}"), reverse=True)
    for path in files:
        if since is not None and path.name < since.isoformat():
            return
        try:
            lines = path.read_bytes().splitlines()
        except OSError:
            continue
        for line in reversed(lines):
            event = _event_of(line)
            if event is not None:
                yield event


def _line_of(event: Event) -> bytes:
    """Return an event as a line of JSON."""
    kind = next(name for name, each in _KINDS.items() if isinstance(event, each))
    return (
        json.dumps({"kind": kind, **dataclasses.asdict(event)}, default=_json).encode()
        + b"\n"
    )


def _json(value: object) -> str:
    """Return what JSON does not know as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


_ADAPTERS: dict[str, TypeAdapter[Event]] = {
    name: TypeAdapter(each) for name, each in _KINDS.items()
}


def _event_of(line: bytes) -> Event | None:
    """Read an event; None for a line of another version, or not whole."""
    try:
        fields = json.loads(line)
        return _ADAPTERS[fields.pop("kind")].validate_python(fields)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        return None


def _delete_old(folder: Path, today: date, limits: Limits) -> None:
    """Delete the files that are too old, and the oldest until the rest fits.

    Raises:
        OSError: A file cannot be deleted.
    """
    first = (today - timedelta(days=limits.days - 1)).isoformat()
    kept_bytes = limits.file_bytes  # the file that is to be written
    for path in sorted(folder.glob(f"*{_SUFFIX}"), reverse=True):
        kept_bytes += path.stat().st_size
        if path.name < first or kept_bytes > limits.total_bytes:
            path.unlink(missing_ok=True)
