"""From the records of a load to figures, a table and a plot."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import median, percentile, table
from benchmarks.load_clients import Record

__all__ = ["draw", "engine_figures", "figures_of", "load_table"]

_PERCENTS = (50, 90, 95, 99)
_FRESH_S = 4.0
"""How long the prompts of a load's first seconds are in nobody's prefix cache."""

_OUTCOMES = ("answered", "empty", "superseded", "busy", "error")


def figures_of(
    records: Sequence[Record], *, route: str, typists: int, seconds: float
) -> dict[str, Any]:
    """Return the figures of one load.

    Latency is that of requests that got a reply, with text or without; a superseded
    one has none. A refused one counts too, and is quick, so the latency of those with
    text is told apart; and so is that of what was asked after the first seconds, in
    which every typist's context is fresh.
    """
    counts = Counter(record.outcome for record in records)
    replied = [each for each in records if each.outcome in {"answered", "empty"}]
    answered = [each for each in replied if each.outcome == "answered"]
    settled_s = min((each.start_s for each in records), default=0.0) + _FRESH_S
    prompt_tokens = sum(each.prompt_tokens for each in replied)
    return {
        "route": route,
        "typists": typists,
        "requests": len(records),
        "requests_per_s": round(len(records) / seconds, 2),
        "replies_per_s": round(len(replied) / seconds, 2),
        "output_tokens_per_s": round(
            sum(each.output_tokens for each in replied) / seconds, 1
        ),
        "outcomes": {name: counts[name] for name in _OUTCOMES},
        "superseded_share": _share(counts["superseded"], len(records)),
        "cached_share": _share(
            sum(each.cached_tokens for each in replied), prompt_tokens
        ),
        "prompt_tokens_mean": round(prompt_tokens / max(1, len(replied)), 1),
        "latency_ms": _latency(replied),
        "answered_ms": _latency(answered),
        "settled_ms": _latency([each for each in answered if each.start_s > settled_s]),
        "fairness": _fairness(replied),
    }


def engine_figures(asked: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return what the engine had to do, superseded requests included.

    They take the place of what clients saw: that says nothing of requests that
    ended without a completion.

    Args:
        asked: What was asked of it, see `benchmarks.load_tap.Asked`.
    """
    prompts = [len(each["token_ids"]) for each in asked]
    # What was cancelled before its first token has not said what was cached.
    begun = [each for each in asked if each["output_tokens"]]
    cached = sum(each["cached_tokens"] for each in begun)
    return {
        "engine_requests": len(asked),
        "prompt_tokens_mean": round(sum(prompts) / len(asked), 1),
        "output_tokens_mean": round(
            sum(each["output_tokens"] for each in asked) / len(asked), 1
        ),
        "cached_share": _share(cached, sum(len(each["token_ids"]) for each in begun)),
    }


def _latency(records: Sequence[Record]) -> dict[str, float]:
    """Return mean and percentiles; nothing without records."""
    if not records:
        return {}
    times_ms = [each.total_ms for each in records]
    return {
        "mean": round(sum(times_ms) / len(times_ms), 1),
        **{f"p{each}": round(percentile(times_ms, each), 1) for each in _PERCENTS},
        "max": round(max(times_ms), 1),
    }


def _fairness(replied: Sequence[Record]) -> dict[str, float]:
    """Return how the typists' own medians lie: the best, the middle, the worst."""
    by_typist: defaultdict[int, list[float]] = defaultdict(list)
    for each in replied:
        by_typist[each.typist].append(each.total_ms)
    medians = [median(times_ms) for times_ms in by_typist.values()]
    if not medians:
        return {}
    return {
        "typists_with_a_reply": len(medians),
        "best_p50_ms": round(min(medians), 1),
        "middle_p50_ms": round(median(medians), 1),
        "worst_p50_ms": round(max(medians), 1),
        "fewest_replies": min(map(len, by_typist.values())),
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def load_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """Lay out all loads."""
    head = ["typists", "route", "requests/s", "replies/s", "mean ms", "p50", "p95"]
    head += ["p99", "superseded", "empty", "busy", "errors", "cached", "worst p50"]
    rows = []
    for each in cells:
        latency, outcomes = each["latency_ms"], each["outcomes"]
        rows.append(
            [
                str(each["typists"]),
                each["route"],
                f"{each['requests_per_s']:.1f}",
                f"{each['replies_per_s']:.1f}",
                *(str(latency.get(key, "")) for key in ("mean", "p50", "p95", "p99")),
                f"{each['superseded_share']:.1%}",
                *(str(outcomes[key]) for key in ("empty", "busy", "error")),
                f"{each['cached_share']:.1%}",
                str(each["fairness"].get("worst_p50_ms", "")),
            ]
        )
    return table(head, rows)


def draw(cells: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw latency and throughput over the number of typists, as an SVG file."""
    import matplotlib as mpl  # noqa: PLC0415 - not on every GPU machine
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    latency, throughput = figure.subplots(1, 2)
    routes = list(dict.fromkeys(each["route"] for each in cells))
    for number, route in enumerate(routes):
        found = [each for each in cells if each["route"] == route]
        found = [each for each in found if each["latency_ms"]]
        typists = [each["typists"] for each in found]
        for key, style in (("mean", "-"), ("p95", "--")):
            latency.plot(
                typists,
                [each["latency_ms"][key] for each in found],
                style,
                color=f"C{number}",
                marker=".",
                label=f"{route}, {key}",
            )
        throughput.plot(
            typists,
            [each["replies_per_s"] for each in found],
            color=f"C{number}",
            marker=".",
            label=route,
        )
    latency.set(xscale="log", yscale="log", ylabel="milliseconds to the reply")
    throughput.set(xscale="log", yscale="log", ylabel="replies per second")
    for axes in (latency, throughput):
        ticks = sorted({each["typists"] for each in cells})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("typists at once")
        axes.grid(alpha=0.3)
        axes.legend()
    # Else the file's ids are random.
    with mpl.rc_context({"svg.hashsalt": "midfill", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
