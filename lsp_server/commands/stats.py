"""``midfill stats``: what became of the suggestions of the last days, on a terminal."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lsp_server.commands.terminal import positive, printable
from lsp_server.history.events import OWN_CLIENT
from lsp_server.history.statistics import (
    DIMENSIONS,
    Percentiles,
    Statistics,
    Summary,
    statistics_of,
)
from lsp_server.history.store import Event, events_folder, newest_first

__all__ = ["add_arguments", "as_json", "draw", "run"]

_NARROWEST = 80
_MOST_DAYS = 36_500
"""More than any record holds, and less than a calendar's first day."""
_COLUMNS = ("shown", "accepted", "rate", "saved", "kept", "10 min", "p50", "p90", "p99")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--days",
        type=positive,
        default=7,
        metavar="N",
        help="sum up the last N days (default: 7)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, times in ms"
    )


def run(arguments: argparse.Namespace) -> int:
    """Sum the record up, print, and return the exit status."""
    days: int = arguments.days
    statistics = statistics_of(_events(datetime.now(UTC), days))
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(statistics, days)) + "\n")
    else:
        console = Console(file=sys.stdout)
        if not console.is_terminal:
            console.width = max(console.width, _NARROWEST)
        draw(statistics, days, console)
    return 0


def _events(now: datetime, days: int) -> Iterator[Event]:
    """Yield what editors did in the last days; ``midfill complete`` accepts nothing."""
    since = now - timedelta(days=min(days, _MOST_DAYS))
    for event in newest_first(events_folder(), since=since.date()):
        if event.at >= since and event.editor != OWN_CLIENT:
            yield event


def draw(statistics: Statistics, days: int, console: Console) -> None:
    """Draw statistics as tables."""
    if not statistics.requests and not statistics.overall.shown:
        console.print(
            f"Nothing of an editor was recorded in the last {_days(days)}. Complete "
            "something in one first: `midfill complete`, which accepts nothing, does "
            "not count. With the setting telemetry.store = false nothing is recorded.",
            soft_wrap=True,
        )
        return
    console.print(f"Suggestions of the last {_days(days)}\n", style="bold")
    console.print(_table(statistics, _COLUMNS, _cells))
    console.print(
        "\nrate: accepted of shown; saved: characters taken; kept: share of them that "
        "stood half a minute and ten minutes after; p50 to p99: request to answer, ms.",
        style="dim",
    )
    stages = tuple(statistics.overall.stages_ms)
    if stages:
        console.print("\nStages of the requests with a suggestion, ms, p50\n")
        slow = ("all, p90", *_times(statistics.overall, stages, lambda each: each.p90))
        console.print(
            _table(
                statistics,
                stages,
                lambda each: _times(each, stages, lambda times: times.p50),
                below_all=[slow],
            )
        )
    if statistics.reasons:
        console.print("\nWhy nothing was shown, the commonest reasons:")
        for sentence, count in statistics.reasons:
            console.print(Text(f"{count:6}  {printable(sentence)}"))


def _table(
    statistics: Statistics,
    columns: Sequence[str],
    cells: Callable[[Summary], Sequence[str]],
    *,
    below_all: Sequence[Sequence[str]] = (),
) -> Table:
    """Return a table with a row for all, rows below it, and one for each group."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_row("all", *cells(statistics.overall))
    for row in below_all:
        table.add_row(*row)
    for dimension in DIMENSIONS:
        table.add_row(Text(f"by {dimension}", style="dim"))
        for name, summary in statistics.groups[dimension].items():
            table.add_row(Text(printable(name)), *cells(summary))
    return table


def _times(
    summary: Summary, stages: Sequence[str], one_of: Callable[[Percentiles], float]
) -> tuple[str, ...]:
    """Return one of the percentiles of each stage."""
    found = summary.stages_ms
    return tuple(
        f"{one_of(found[each]):.1f}" if each in found else "-" for each in stages
    )


def as_json(statistics: Statistics, days: int) -> dict[str, object]:
    """Return statistics as JSON values, times in milliseconds."""
    return {
        "days": days,
        "requests": statistics.requests,
        "overall": _values(statistics.overall),
        **{
            f"by_{dimension}": {name: _values(each) for name, each in groups.items()}
            for dimension, groups in statistics.groups.items()
        },
        "reasons": [
            {"sentence": sentence, "count": count}
            for sentence, count in statistics.reasons
        ],
    }


def _values(summary: Summary) -> dict[str, object]:
    """Return a summary as JSON values."""
    rate = summary.acceptance_rate
    return {**dataclasses.asdict(summary), "acceptance_rate": rate}


def _cells(summary: Summary) -> tuple[str, ...]:
    """Return a summary as a row of the table."""
    times = summary.total_ms
    return (
        str(summary.shown),
        str(summary.accepted),
        _percent(summary.acceptance_rate),
        str(summary.saved_chars),
        _percent(summary.kept_share),
        _percent(summary.kept_long_share),
        *(
            [f"{ms:.0f}" for ms in (times.p50, times.p90, times.p99)]
            if times
            else ["-"] * 3
        ),
    )


def _percent(share: float | None) -> str:
    """Return a share in per cent."""
    return "-" if share is None else f"{share:.0%}"


def _days(days: int) -> str:
    """Return a number of days in words."""
    return "day" if days == 1 else f"{days} days"
