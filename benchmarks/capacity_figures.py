"""Tables and plots of the simulation of many typists."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.figures import table
from lsp_server.files import atomic_write_text

__all__ = ["draw_day", "draw_replica", "report", "tables", "write_into"]


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """Return every table by the name of its place on the page."""
    return {
        "compared": _compared(result),
        "replica": _replica(result),
        "variants": _variants(result),
        "routes": _routes(result),
        "days": _days(result),
        "hours": _hours(result),
        "warm": _warm(result),
        "pulls": table(
            ["replicas that start at once", "seconds to pull the model"],
            [[str(row["replicas"]), _n(row["seconds"])] for row in result["pulls"]],
        ),
    }


def report(result: Mapping[str, Any]) -> str:
    """Return all tables, one below the other."""
    return "\n\n".join(tables(result).values())


def write_into(page: Path, result: Mapping[str, Any]) -> None:
    """Put each table between its two marks on a page.

    Raises:
        ValueError: The page lacks one of them.
    """
    text = page.read_text(encoding="utf-8")
    for name, lines in tables(result).items():
        begin, end = (f"<!-- {name}: {word} -->" for word in ("begin", "end"))
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"{page} has no marks {begin} and {end}")
        text = f"{before}{begin}\n{lines}\n{end}{after}"
    atomic_write_text(page, text)


def _compared(result: Mapping[str, Any]) -> str:
    head = [
        "load",
        "time",
        "measured ms",
        "simulated",
        "off by",
        "constants fitted to it",
    ]
    names = {"mean_ms": "total, mean", "first_token_p50_ms": "first token, p50"}
    rows = [
        [
            row["load"],
            names.get(row["figure"], f"total, {row['figure'].removesuffix('_ms')}"),
            _n(row["measured_ms"]),
            _n(row["simulated_ms"]),
            f"{row['error']:+.0%}",
            "yes" if row["is_fitted"] else "no",
        ]
        for row in result["compared"]
    ]
    return table(head, rows)


def _replica(result: Mapping[str, Any]) -> str:
    head = ["typists", "requests/s", "in flight", "mean ms", "p50", "p95", "p99"]
    head += ["not answered", "cached"]
    rows = [
        [
            str(row["typists"]),
            _n(row["requests_per_s"]),
            f"{row['in_flight']:.1f}",
            *(_n(row[f"{key}_ms"]) for key in ("mean", "p50", "p95", "p99")),
            f"{row['unanswered_share']:.0%}",
            f"{row['cached_share']:.1%}",
        ]
        for row in result["replica"][0]["points"]
    ]
    return table(head, rows)


def _variants(result: Mapping[str, Any]) -> str:
    limit = f"typists at p95 {result['most_p95_ms']:.0f} ms"
    head = ["load or replica", limit, "requests in flight then", "to plan with"]
    rows = [
        [row["name"], str(row["typists"]), _n(row["in_flight"]), str(row["planned"])]
        for row in result["replica"]
    ]
    return table(head, rows)


def _routes(result: Mapping[str, Any]) -> str:
    head = ["typists each", "replicas", "route", "p50 ms", "p95", "not answered"]
    head += ["cached"]
    rows = [
        [
            str(row["typists_each"]),
            str(row["replicas"]),
            row["route"],
            _n(row["p50_ms"]),
            _n(row["p95_ms"]),
            f"{row['unanswered_share']:.0%}",
            f"{row['cached_share']:.1%}",
        ]
        for row in result["routes"]
    ]
    return table(head, rows)


def _days(result: Mapping[str, Any]) -> str:
    head = ["replicas", "most", "GPU hours", "a day, $", "worst p95 ms"]
    head += [f"seconds above {result['most_p95_ms']:.0f} ms"]
    rows = [
        [
            name,
            str(row["day"]["replicas_most"]),
            _n(row["day"]["gpu_hours"]),
            _n(row["day"]["usd"]),
            _n(row["day"]["p95_ms_worst"]),
            str(row["day"]["slow_s"]),
        ]
        for name, row in result["days"].items()
    ]
    return table(head, rows)


def _hours(result: Mapping[str, Any]) -> str:
    """Lay out the last way to choose the number of replicas, which is the advice."""
    head = ["hour", "typists, most", "replicas, mean", "most", "p95 ms, median"]
    head += ["worst", "GPU hours", "$"]
    *_, last = result["days"].values()
    rows = [
        [
            f"{row['hour']:02d}",
            _n(row["typists_most"]),
            f"{row['replicas_mean']:.1f}",
            str(row["replicas_most"]),
            _n(row["p95_ms_middle"]),
            _n(row["p95_ms_worst"]),
            f"{row['gpu_hours']:.1f}",
            _n(row["usd"]),
        ]
        for row in last["hours"]
    ]
    return table(head, rows)


def _warm(result: Mapping[str, Any]) -> str:
    head = ["seconds until an ordered replica takes requests", "in use at 09:00"]
    head += ["ready then", "spare"]
    rows = [
        [
            str(row["delay_s"]),
            str(row["before"]),
            str(row["warm"]),
            str(row["warm"] - row["before"]),
        ]
        for row in result["warm"]
    ]
    return table(head, rows)


def _n(value: float) -> str:
    """Return a number without decimals."""
    return f"{value:,.0f}"


def draw_replica(result: Mapping[str, Any], path: Path) -> None:
    """Draw how one replica is with more and more typists, and what routes do."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    latency, routed = figure.subplots(1, 2)
    points = [each for each in result["replica"][0]["points"] if each["typists"] <= 150]
    typists = [each["typists"] for each in points]
    for number, key in enumerate(("p50", "p95", "p99")):
        times_ms = [each[f"{key}_ms"] for each in points]
        latency.plot(typists, times_ms, color=f"C{number}", label=key)
    latency.axhline(result["most_p95_ms"], color="0.6", linestyle=":")
    latency.set(xlabel="typists on one H200, simulated", ylabel="milliseconds")
    latency.set_ylim(0, 1000)
    rows = result["routes"]
    for number, route in enumerate(dict.fromkeys(row["route"] for row in rows)):
        for each, style in zip((40, 65), ("--", "-"), strict=True):
            found = [
                r for r in rows if (r["route"], r["typists_each"]) == (route, each)
            ]
            routed.plot(
                [row["replicas"] for row in found],
                [row["p95_ms"] for row in found],
                style,
                color=f"C{number}",
                marker=".",
                label=f"{route}, {each} typists each",
            )
    counts = sorted({row["replicas"] for row in rows})
    ticks_ms = (200, 500, 1000, 2000, 4000)
    routed.set(
        xscale="log", yscale="log", xlabel="replicas", ylabel="p95, milliseconds"
    )
    routed.set_xticks(counts, [str(count) for count in counts])
    routed.set_yticks(ticks_ms, [str(tick) for tick in ticks_ms])
    routed.minorticks_off()
    _save(figure, (latency, routed), path)


def draw_day(result: Mapping[str, Any], path: Path) -> None:
    """Draw the replicas of a day, and the surge closely."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    top, below = figure.subplots(2, 2)
    for number, (name, row) in enumerate(result["days"].items()):
        courses = (row["through_the_day"], row["through_the_surge"])
        for axes, key in zip((top, below), ("ready", "p95_ms"), strict=True):
            for panel, course in zip(axes, courses, strict=True):
                panel.plot(course["hour"], course[key], color=f"C{number}", label=name)
    for panel in below:
        panel.axhline(result["most_p95_ms"], color="0.6", linestyle=":")
        panel.set(xlabel="hour of the day", ylabel="p95, milliseconds")
    for panel in top:
        panel.set_ylabel("replicas that take requests")
    _save(figure, (*top, *below), path, legend_in=top[0])


def _save(figure: Figure, panels: Any, path: Path, *, legend_in: Any = None) -> None:  # noqa: ANN401 - matplotlib's
    for panel in panels:
        panel.grid(alpha=0.3)
        if legend_in in (None, panel):
            panel.legend(fontsize="small")
    # Else the file's ids are random.
    with mpl.rc_context({"svg.hashsalt": "midfill", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
