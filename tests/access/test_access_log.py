"""The access log has a line for each request, and never costs one."""

import json
import logging
import os
import resource
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lsp_server.access import access_log
from lsp_server.access.access_log import AccessLog, AccessRecord
from lsp_server.access.keys import Route

NOW = datetime(2026, 11, 29, 18, tzinfo=UTC)


def record(request_id: str = "1") -> AccessRecord:
    """Return what is known of a request."""
    return AccessRecord(
        request_id=request_id,
        key_id="k_0123abcd",
        route=Route.COMPLETIONS,
        status=200,
        prompt_tokens=900,
        cached_tokens=880,
        output_tokens=12,
        stages_ms={"queue": 0.12345, "prefill": 8.5},
    )


@pytest.fixture
def open_log() -> Iterator[Callable[..., AccessLog]]:
    """Return a maker of logs, which are closed at the end."""
    logs: list[AccessLog] = []

    def make(target: object, **options: int) -> AccessLog:
        logs.append(AccessLog(str(target), now=lambda: NOW, **options))
        return logs[-1]

    yield make
    for log in logs:
        log.close()


OpenLog = Callable[..., AccessLog]


def test_a_line_has_ids_counts_and_times(tmp_path: Path, open_log: OpenLog) -> None:
    """And nothing else; nobody else may read the file."""
    path = tmp_path / "access.jsonl"
    log = open_log(path)
    log.write(record())
    log.close()

    assert {
        "time": "2026-11-29T18:00:00.000+00:00",
        "request_id": "1",
        "key_id": "k_0123abcd",
        "route": "completions",
        "status": 200,
        "prompt_tokens": 900,
        "cached_tokens": 880,
        "output_tokens": 12,
        "stages_ms": {"queue": 0.123, "prefill": 8.5},
    } == json.loads(path.read_text(encoding="utf-8"))
    assert 0o600 == path.stat().st_mode & 0o777


def test_stderr_is_a_target_and_nothing_is_one(
    open_log: OpenLog, capfd: pytest.CaptureFixture[str]
) -> None:
    """A container's log takes the lines; without a target there are none."""
    for target in ("stderr", ""):
        log = open_log(target)
        log.write(record(target))
        log.close()
    lines = capfd.readouterr().err.splitlines()
    assert ["stderr"] == [json.loads(line)["request_id"] for line in lines]


def test_a_rotated_file_is_made_anew(tmp_path: Path) -> None:
    """Renaming or removing it is all that rotation takes."""
    path, moved = tmp_path / "access.jsonl", tmp_path / "access.jsonl.1"
    sink = access_log._File(path)
    sink.write(b"1\n")
    path.rename(moved)
    sink.write(b"2\n")
    path.unlink()
    sink.write(b"3\n")
    sink.close()

    assert (b"1\n", b"3\n") == (moved.read_bytes(), path.read_bytes())


def test_a_full_disk_costs_lines_and_no_request(
    tmp_path: Path, open_log: OpenLog, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported once, and so is its end, with the number of lines."""
    path = tmp_path / "access.jsonl"
    path.symlink_to("/dev/full")
    log = open_log(path)
    for number in range(50):
        log.write(record(str(number)))
    drain(log)
    path.unlink()
    for number in range(50, 53):
        log.write(record(str(number)))
    log.close()

    reports = [(each.getMessage(), vars(each)) for each in caplog.records]
    assert ["access.log_failed", "access.log_resumed"] == [name for name, _ in reports]
    assert os.strerror(28) == reports[0][1]["what"]
    assert 50 == reports[1][1]["lost_lines"]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert ["50", "51", "52"] == [json.loads(line)["request_id"] for line in lines]


def test_a_line_that_was_written_in_part_spoils_no_other(tmp_path: Path) -> None:
    """A disk may become full in the middle of a line; the next one stands alone."""
    path = tmp_path / "access.jsonl"
    sink = access_log._File(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # A limit on the size of files is a full disk, but for its number.
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        sink.write(b"12345\n")
        with pytest.raises(OSError, match="large"):
            sink.write(b"67890\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    sink.write(b"abcde\n")
    sink.close()

    assert [b"12345", b"6789", b"abcde"] == path.read_bytes().splitlines()


def test_a_disk_that_hangs_holds_nobody_up(
    tmp_path: Path, open_log: OpenLog, caplog: pytest.LogCaptureFixture
) -> None:
    """So many lines wait; further ones are lost, which is reported once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    log = open_log(pipe, most_waiting=5)
    # Opening a pipe without a reader hangs as a disk may.
    with caplog.at_level(logging.WARNING):
        for number in range(100):
            log.write(record(str(number)))
    assert ["access.log_failed"] == [each.getMessage() for each in caplog.records]

    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    log.close()
    reader.join()
    assert 5 <= len(read[0].splitlines()) <= 6


def drain(log: AccessLog) -> None:
    """Wait until the log's thread has taken all that waits."""
    log._waiting.join()
