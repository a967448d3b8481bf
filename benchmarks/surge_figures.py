"""From the records of a surge to figures, a table and a plot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import percentile, table
from benchmarks.load_clients import Record

__all__ = ["Phases", "draw", "figures_of", "surge_table"]

_BIN_S = 5
_PERCENTS = (50, 95, 99)
_TICKS_MS = (100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """The parts of a load, in seconds: as before, growing, and as it then stays."""

    before_s: float
    surge_s: float
    after_s: float

    @property
    def all_s(self) -> float:
        """The whole length."""
        return self.before_s + self.surge_s + self.after_s

    def joins_s(self, number: int, few: int, many: int) -> float:
        """Return when a typist begins: the first few at once, the others one by one."""
        if number < few:
            return 0.0
        return self.before_s + self.surge_s * (number - few) / (many - few)

    @property
    def parts(self) -> Mapping[str, tuple[float, float]]:
        """From when to when each part lasts; the second half of what follows alone."""
        ends_s = self.before_s + self.surge_s
        return {
            "before": (0.0, self.before_s),
            "surge": (self.before_s, ends_s),
            "after": (ends_s, ends_s + self.after_s / 2),
            "settled": (ends_s + self.after_s / 2, self.all_s),
            "whole": (0.0, self.all_s),
        }


def figures_of(
    records: Sequence[Record], phases: Phases, *, start_s: float
) -> dict[str, Any]:
    """Return the figures of each part, and of every few seconds."""
    timed = [(each.start_s - start_s, each) for each in records]
    bins = range(0, int(phases.all_s), _BIN_S)
    return {
        **{
            name: _part([each for at_s, each in timed if from_s <= at_s < until_s])
            for name, (from_s, until_s) in phases.parts.items()
        },
        "course": [
            {
                "from_s": from_s,
                **_part([e for at_s, e in timed if from_s <= at_s < from_s + _BIN_S]),
            }
            for from_s in bins
        ],
    }


def _part(records: Sequence[Record]) -> dict[str, Any]:
    """Return what became of some requests; times are those of answers."""
    counts = Counter(each.outcome for each in records)
    answered = [each for each in records if each.outcome in {"answered", "empty"}]
    times_ms = [each.total_ms for each in answered]
    prompt_tokens = sum(each.prompt_tokens for each in answered)
    cached = sum(each.cached_tokens for each in answered)
    return {
        "requests": len(records),
        "answered": len(answered),
        "superseded": counts["superseded"],
        "refused": counts["busy"],
        "dropped": counts["error"],
        **{
            f"p{each}_ms": round(percentile(times_ms, each), 1) if times_ms else None
            for each in _PERCENTS
        },
        "cached_share": round(cached / prompt_tokens, 4) if prompt_tokens else None,
    }


def surge_table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Lay out the setups."""
    head = ["setup", "replicas", "p95 ms: before", "surge", "after", "settled"]
    head += ["p50, p99: settled", "cached", "superseded", "refused", "dropped"]
    rows = []
    for run in runs:
        running, settled, whole = (
            run["replicas"]["running"],
            run["settled"],
            run["whole"],
        )
        rows.append(
            [
                run["name"],
                f"{running[0]} to {max(running)}",
                *(_n(run[part]["p95_ms"]) for part in ("before", "surge", "after")),
                _n(settled["p95_ms"]),
                f"{_n(settled['p50_ms'])}, {_n(settled['p99_ms'])}",
                f"{settled['cached_share'] or 0:.1%}",
                f"{whole['superseded'] / max(1, whole['requests']):.0%}",
                str(whole["refused"]),
                str(whole["dropped"]),
            ]
        )
    return table(head, rows)


def _n(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw replicas and times over the seconds of the load, as an SVG file."""
    import matplotlib as mpl  # noqa: PLC0415 - of the extra `training`
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    replicas, latency = figure.subplots(1, 2)
    for number, run in enumerate(result["runs"]):
        color, course = f"C{number}", run["course"]
        at_s, running = run["replicas"]["at_s"], run["replicas"]["running"]
        replicas.step(at_s, running, where="post", color=color, label=run["name"])
        middles_s = [each["from_s"] + _BIN_S / 2 for each in course]
        for key, style in (("p50_ms", "--"), ("p95_ms", "-")):
            label = f"{run['name']}, {key.removesuffix('_ms')}"
            times_ms = [each[key] for each in course]
            latency.plot(middles_s, times_ms, style, color=color, label=label)
    before_s, surge_s, _ = result["phases_s"]
    replicas.set(ylabel="replicas that take requests")
    latency.set(ylabel="milliseconds to the answer", yscale="log")
    latency.set_yticks(_TICKS_MS, [str(tick) for tick in _TICKS_MS])
    latency.minorticks_off()
    most = max(max(run["replicas"]["running"]) for run in result["runs"])
    replicas.set_yticks(range(most + 1))
    for axes in (replicas, latency):
        axes.axvspan(before_s, before_s + surge_s, color="0.92", zorder=0)
        axes.set_xlabel("seconds; grey: the load grows to three times")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small")
    # Else the file's ids are random.
    with mpl.rc_context({"svg.hashsalt": "midfill", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
