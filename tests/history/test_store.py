"""The record of requests and suggestions is private, bounded, and costs nobody."""

import errno
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lsp_server.history.events import SuggestionEvent
from lsp_server.history.store import EventStore, Limits, newest_first

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def event(name: str, at: datetime = NOON) -> SuggestionEvent:
    """Make an event."""
    return SuggestionEvent(
        at=at,
        id=name,
        editor="e",
        language="go",
        model="m",
        source="cache",
        event="shown",
        chars=3,
        of_chars=4,
    )


def ids(folder: Path, since: date | None = None) -> list[str]:
    """Return the ids in the record, newest first."""
    return [each.id for each in newest_first(folder, since=since)]


def write(folder: Path, *events: SuggestionEvent, limits: Limits | None = None) -> None:
    """Write events with a store of their own."""
    store = EventStore(folder, limits)
    for each in events:
        store.add(each)
    store.close(timeout_s=60)


def test_events_are_read_as_they_were_written(tmp_path: Path) -> None:
    """The newest first, from folder and files that others cannot read."""
    folder = tmp_path / "state" / "events"
    first, second = event("a"), event("b", NOON + timedelta(days=1))
    write(folder, first, second)
    assert [second, first] == list(newest_first(folder))
    assert ["b"] == ids(folder, since=second.at.date())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {0o600} == {each.stat().st_mode & 0o777 for each in folder.iterdir()}


def test_days_and_bytes_are_bounded(tmp_path: Path) -> None:
    """What is older goes, and of what is left the oldest, as new events come."""
    limits = Limits(days=3, file_bytes=600, total_bytes=1800)
    days = [NOON + timedelta(days=at) for at in range(9)]
    for at in days:
        write(tmp_path, event(f"{at:%d}", at), limits=limits)
    assert ["13", "12", "11"] == ids(tmp_path)
    many = [event(f"n{at}", days[-1]) for at in range(100)]
    write(tmp_path, *many, limits=limits)
    assert "n99" == ids(tmp_path)[0]
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 1800 + 600


def test_lines_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    """Such as one that a full disk has cut off, or of another version."""
    write(tmp_path, event("a"))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b'{"kind": "other"}\n[]\n\xff\n{"kind": "su')
    write(tmp_path, event("b"))
    assert ["b", "a"] == ids(tmp_path)


def test_a_folder_that_cannot_be_written_costs_the_record_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once."""
    folder = tmp_path / "events"
    folder.write_text("in the way")
    store = EventStore(folder)
    store.add(event("a"))
    store.add(event("b"))
    store.close(timeout_s=60)
    assert ["events.not_written"] == [each.message for each in caplog.records]


def test_a_disk_that_was_full_costs_no_later_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that was cut off is ended before the next one."""
    write(tmp_path, event("a"))
    real_write = os.write

    def write_some(fd: int, data: bytes) -> int:
        if b'"id"' in data:
            return real_write(fd, data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lsp_server.history.store.os.write", write_some)
    write(tmp_path, event("lost"))
    monkeypatch.setattr("lsp_server.history.store.os.write", real_write)
    write(tmp_path, event("b"))
    assert ["b", "a"] == ids(tmp_path)


def test_without_a_folder_nothing_is_written() -> None:
    """A user without a home has no record."""
    store = EventStore(None)
    store.add(event("a"))
    store.close()
    assert [] == list(newest_first(None))
