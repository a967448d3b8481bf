"""``midfill stats`` and ``midfill trace`` show the user's record."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from lsp_server.commands.entry import main
from lsp_server.commands.stats import as_json, draw
from lsp_server.config import SHIPPED_MODEL
from lsp_server.history.events import (
    OWN_CLIENT,
    CutCount,
    RequestEvent,
    SnippetUse,
    SuggestionEvent,
    TracedText,
)
from lsp_server.history.statistics import statistics_of
from lsp_server.history.store import EventStore
from lsp_server.outcomes import Stage

NOW = datetime.now(UTC)
REQUEST = RequestEvent(
    at=NOW,
    id="completion-7",
    editor="an editor",
    language="python",
    suffix=".py",
    line=2,
    character=4,
    trigger="automatic",
    scope="line",
    model=SHIPPED_MODEL,
    source="engine",
    outcome="shown",
    reason="",
    sentence="",
    prompt_tokens=40,
    cached_tokens=32,
    output_tokens=9,
    ttft_ms=12.0,
    total_ms=30.0,
    stages_ms={"prefill": 12.0, "decode": 18.0},
    generated_chars=(12,),
    shown_chars=(9,),
    cuts=(CutCount(filter_name="scope", before_chars=12, after_chars=9),),
    snippets=(SnippetUse(path="lib/b.py", source="open_tabs", chars=120),),
    settings={"completion.eagerness": "high"},
    text=TracedText(
        prompt="read\x1b", generated=("written",), cuts=(), shown=("9",), snippets=()
    ),
)
EMPTY = replace(
    REQUEST, id="completion-8", outcome="empty", sentence="Too unsure.", text=None
)


def became(event: str, chars: int, of_chars: int = 10, **more: str) -> SuggestionEvent:
    """Make an event of a suggestion."""
    made = SuggestionEvent(
        at=NOW,
        id="c",
        editor="an editor",
        language="python",
        model=SHIPPED_MODEL,
        source="engine",
        event=event,
        chars=chars,
        of_chars=of_chars,
    )
    return replace(made, **more)  # type: ignore[arg-type]  # the tests name what there is


STAGES = dict.fromkeys((stage.value for stage in Stage), 12.0)
EVENTS: list[RequestEvent | SuggestionEvent] = [
    *(
        replace(REQUEST, total_ms=float(ms), stages_ms=STAGES | {"decode": ms / 10})
        for ms in range(1, 101)
    ),
    EMPTY,
    *[became("shown", 10)] * 3,
    became("shown", 10, language="go", source="cache"),
    became("accepted", 4),
    became("partly-accepted", 4),
    became("extended", 6),
    became("kept", 9),
    became("discarded", 1),
    became("kept-long", 7),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty record for the commands."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "midfill" / "events"


def record(folder: Path, *events: RequestEvent | SuggestionEvent) -> None:
    """Write events into the record."""
    store = EventStore(folder)
    for event in events:
        store.add(event)
    store.close(timeout_s=60)


def test_events_are_summed_up() -> None:
    """In all, and by language, model and source."""
    summed = as_json(statistics_of(EVENTS), days=7)
    expected = {
        "shown": 4,
        "accepted": 1,
        "partly_accepted": 1,
        "saved_chars": 10,
        "kept_share": 0.5,
        "kept_long_share": 0.7,
        "total_ms": {"p50": 50.0, "p90": 90.0, "p99": 99.0},
        "stages_ms": {
            **{key: {"p50": 12.0, "p90": 12.0, "p99": 12.0} for key in STAGES},
            "decode": {"p50": 5.0, "p90": 9.0, "p99": 9.9},
        },
        "acceptance_rate": 0.25,
    }
    assert expected == summed["overall"]
    assert 101 == summed["requests"]
    assert [{"sentence": "Too unsure.", "count": 1}] == summed["reasons"]
    go = {**dict.fromkeys(expected), "shown": 1, "accepted": 0, "partly_accepted": 0}
    go |= {"saved_chars": 0, "acceptance_rate": 0.0, "stages_ms": {}}
    by_language, by_source = summed["by_language"], summed["by_source"]
    assert isinstance(by_language, dict)
    assert isinstance(by_source, dict)
    assert ["go", "python"] == list(by_language)
    assert go == by_language["go"] == by_source["cache"]


def test_statistics_are_drawn() -> None:
    """As a table that fits a terminal of 80 columns."""
    stream = io.StringIO()
    draw(statistics_of(EVENTS), 7, Console(file=stream, width=80))
    rows = stream.getvalue().splitlines()
    assert any(row.startswith(f"{SHIPPED_MODEL} ") for row in rows)
    python = next(row for row in rows if row.startswith("python"))
    for cell in ("3", "1", "33%", "10", "50%", "70%", "90", "99"):
        assert f" {cell} " in f"{python} "
    stages = [row.split() for row in rows].index(list(STAGES))
    others = ["12.0"] * 6
    assert ["all", *others, "5.0", "12.0"] == rows[stages + 1].split()
    assert ["all,", "p90", *others, "9.0", "12.0"] == rows[stages + 2].split()
    assert ["go", *"-" * 8] in [row.split() for row in rows[stages:]]
    assert all(len(row) <= 80 for row in rows)
    assert "Too unsure." in stream.getvalue()


def test_stats_are_of_editors_and_of_the_last_days(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``midfill complete`` accepts nothing, and would spoil the rate."""
    long_ago = NOW - timedelta(days=9)
    record(
        folder,
        replace(REQUEST, at=long_ago),
        REQUEST,
        became("shown", 10),
        became("shown", 10, editor=OWN_CLIENT),
    )
    assert 0 == main(["stats", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (1, 1) == (found["requests"], found["overall"]["shown"])
    assert 0 == main(["stats", "--json", "--days", "20"])
    assert 2 == json.loads(capsys.readouterr().out)["requests"]
    assert 0 == main(["stats", "--json", "--days", str(10**9)])
    assert 2 == json.loads(capsys.readouterr().out)["requests"]


def test_where_nothing_is_recorded_that_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the setting that may be the cause."""
    assert 0 == main(["stats"])
    assert (
        "Nothing of an editor was recorded in the last 7 days."
        in capsys.readouterr().out
    )
    assert 1 == main(["trace"])
    record(folder, REQUEST)
    assert 1 == main(["trace", "other"])
    error = capsys.readouterr().err
    assert "No request is recorded" in error
    assert "No request other is recorded" in error
    assert "telemetry.store" in error


@pytest.mark.parametrize(
    ("words", "there", "missing"),
    [
        (["completion-7"], ["line 3, column 5", "lib/b.py (open_tabs)"], ["written"]),
        (["completion-7"], ["scope: 12 characters before, 9 after"], ["read"]),
        (["completion-7"], ["eagerness = high", "prefill 12.0"], []),
        (["completion-7", "--text"], ["    read\\x1b", "    written"], ["\x1b"]),
        (["completion-7", "--json"], ['"text": null'], ["written"]),
        (["completion-7", "--json", "--text"], ['"generated": ["written"]'], []),
        (["--last"], ["completion-8", "empty: Too unsure."], []),
        (["--text"], ["none was kept (setting telemetry.keep_text)"], []),
    ],
)
def test_a_request_is_shown(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    there: list[str],
    missing: list[str],
) -> None:
    """By its id or the last one, with its text only where asked for and kept."""
    record(folder, REQUEST, EMPTY)
    assert 0 == main(["trace", *words])
    shown = capsys.readouterr().out
    for text in there:
        assert text in shown
    for text in missing:
        assert text not in shown
