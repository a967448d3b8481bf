"""Replayed traces become figures, a table and a plot."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import percentile, table
from benchmarks.typing_events import Event, Kind, Played, Spent

__all__ = [
    "KINDS",
    "by_event_table",
    "difference_table",
    "draw",
    "figures_of",
    "main_table",
]

KINDS: tuple[Kind, ...] = ("key", "enter", "jump", "accept", "slip")
_PERCENTS = (50, 90, 99)


def figures_of(played: Sequence[Played]) -> dict[str, Any]:
    """Return the figures of traces that were replayed with the same settings."""
    events = [event for each in played for event in each.events]
    spent = [cost for each in played for cost in each.spent]
    asked = [cost for cost in spent if not cost.is_ahead]
    answered = [each for each in events if each.wait_ms is not None]
    shown = [each for each in answered if each.ghost_chars]
    judged = [each for each in shown if each.is_first_word_right is not None]
    empty = [each for each in answered if not each.ghost_chars]
    accepted_chars = sum(each.accepted_chars for each in events)
    typed_chars = sum(len(s.text) for each in played for s in each.trace.stretches)
    keys_without = sum(each.trace.keys for each in played)
    keys = sum(each.keys for each in events)
    begun = [cost for cost in asked if cost.cached_tokens is not None]
    prompt_tokens = sum(cost.prompt_tokens for cost in begun)
    new_tokens = [_new(cost) for cost in spent if cost.cached_tokens is not None]
    return {
        "events": len(events),
        "keys_without_completion": keys_without,
        "keys": keys,
        "keystrokes_saved": _share(keys_without - keys, keys_without),
        "typed_chars": typed_chars,
        "accepted_chars": accepted_chars,
        "accepted_chars_share": _share(accepted_chars, typed_chars),
        "accepts": sum(each.kind == "accept" for each in events),
        "time_to_ghost_ms": _percentiles([each.wait_ms or 0.0 for each in shown]),
        "answered_before_next_key": _share(len(answered), len(events)),
        "shown": _share(len(shown), len(events)),
        "wrong_first_word": _share(
            sum(not each.is_first_word_right for each in judged), len(judged)
        ),
        "wholly_right": _share(
            sum(each.right_chars == each.ghost_chars for each in judged), len(judged)
        ),
        "wrong_chars_per_accepted_char": _ratio(
            sum(each.ghost_chars - each.right_chars for each in judged), accepted_chars
        ),
        "empty": _share(len(empty), len(events)),
        "empty_with_reason": _share(sum(bool(e.reason) for e in empty), len(empty)),
        "reasons": dict(Counter(e.reason or "none" for e in empty).most_common()),
        "engine_requests": len(asked),
        "engine_requests_ahead": len(spent) - len(asked),
        "cached_share": _share(
            sum(cost.cached_tokens or 0 for cost in begun), prompt_tokens
        ),
        "prompt_tokens_p50": _percentiles([c.prompt_tokens for c in asked]).get("p50"),
        "new_prompt_tokens": {
            "all": _percentiles([_new(cost) for cost in begun]),
            **{kind: _percentiles(new) for kind, new in _new_by_kind(played).items()},
        },
        "output_tokens": sum(cost.output_tokens for cost in spent),
        "output_tokens_per_accepted_char": _ratio(
            sum(cost.output_tokens for cost in spent), accepted_chars
        ),
        "new_prompt_tokens_per_accepted_char": _ratio(sum(new_tokens), accepted_chars),
    }


def _new(cost: Spent) -> int:
    """Return how many prompt tokens the engine had to compute."""
    return cost.prompt_tokens - (cost.cached_tokens or 0)


def _new_by_kind(played: Iterable[Played]) -> dict[Kind, list[int]]:
    """Return the new prompt tokens of each request, by the kind of its event.

    A request belongs to the event before it: the engine is asked between that and the
    next one.
    """
    found: defaultdict[Kind, list[int]] = defaultdict(list)
    for each in played:
        for cost in each.spent:
            event = _event_of(cost, each.events)
            if event and not cost.is_ahead and cost.cached_tokens is not None:
                found[event.kind].append(_new(cost))
    return {kind: found[kind] for kind in KINDS if found[kind]}


def _event_of(cost: Spent, events: Sequence[Event]) -> Event | None:
    before = [each for each in events if each.at_s <= cost.asked_s]
    return before[-1] if before else None


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return percentiles; nothing without values."""
    if not values:
        return {}
    return {f"p{each}": round(percentile(values, each), 1) for each in _PERCENTS}


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 2) if whole else None


def main_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """Lay out one line for each language and variant."""
    head = ["language", "variant", "saved", "time to ghost p50", "p90", "p99 ms"]
    head += ["in time", "shown", "wrong 1st word", "wholly right", "empty", "reason"]
    head += ["cached", "wrong/char", "out tok/char", "new tok/char"]
    rows = []
    for each in cells:
        ghost = each["time_to_ghost_ms"]
        rows.append(
            [
                each["language"],
                each["variant"],
                _percent(each["keystrokes_saved"]),
                *(str(ghost.get(key, "")) for key in ("p50", "p90", "p99")),
                *(
                    _percent(each[key])
                    for key in (
                        "answered_before_next_key",
                        "shown",
                        "wrong_first_word",
                        "wholly_right",
                        "empty",
                        "empty_with_reason",
                        "cached_share",
                    )
                ),
                _shown(each["wrong_chars_per_accepted_char"]),
                _shown(each["output_tokens_per_accepted_char"]),
                _shown(each["new_prompt_tokens_per_accepted_char"]),
            ]
        )
    return table(head, rows)


def by_event_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """Lay out the new prompt tokens by kind of event: median and 90th percentile."""
    kinds = ("all", *KINDS)
    rows = []
    for each in cells:
        new = each["new_prompt_tokens"]
        rows.append(
            [
                each["language"],
                each["variant"],
                str(each["prompt_tokens_p50"] or ""),
                *(
                    f"{new[kind]['p50']:g} / {new[kind]['p90']:g}"
                    if new.get(kind)
                    else ""
                    for kind in kinds
                ),
            ]
        )
    return table(["language", "variant", "prompt p50", *kinds], rows)


_DIFFERENCES = (
    ("keystrokes_saved", "saved, points", 100.0),
    ("wrong_first_word", "wrong 1st word, points", 100.0),
    ("wrong_chars_per_accepted_char", "wrong/char", 1.0),
    ("shown", "shown, points", 100.0),
    ("cached_share", "cached, points", 100.0),
    ("output_tokens_per_accepted_char", "out tok/char", 1.0),
    ("new_prompt_tokens_per_accepted_char", "new tok/char", 1.0),
)


def difference_table(cells: Sequence[Mapping[str, Any]], base: str) -> str:
    """Lay out what changes against one variant, over all languages.

    Args:
        cells: The figures; those of the language ``all`` are taken.
        base: The variant that the others are compared with.
    """
    of_all = [each for each in cells if each["language"] == "all"]
    first = next(each for each in of_all if each["variant"] == base)
    rows = []
    for each in of_all:
        if each is first:
            continue
        ghost = _minus(
            each["time_to_ghost_ms"].get("p50"), first["time_to_ghost_ms"].get("p50")
        )
        changes = [_minus(each[key], first[key], by) for key, _, by in _DIFFERENCES]
        rows.append([each["variant"], ghost, *changes])
    head = [f"against {base}", "ghost p50, ms", *(name for _, name, _ in _DIFFERENCES)]
    return table(head, rows)


def _minus(value: float | None, base: float | None, by: float = 1.0) -> str:
    if value is None or base is None:
        return ""
    return f"{(value - base) * by:+.1f}"


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def draw(cells: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw keystrokes saved and time to ghost of each variant, as an SVG file."""
    import matplotlib as mpl  # noqa: PLC0415 - not on every GPU machine
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    languages = [*dict.fromkeys(each["language"] for each in cells)]
    variants = [*dict.fromkeys(each["variant"] for each in cells)]
    figure = Figure(figsize=(10, 1.6 + 0.35 * len(variants)), layout="constrained")
    saved, ghost = figure.subplots(1, 2, sharey=True)
    height = 0.8 / len(languages)
    for number, language in enumerate(languages):
        of_language = [each for each in cells if each["language"] == language]
        at = [variants.index(each["variant"]) + number * height for each in of_language]
        shares = [100 * each["keystrokes_saved"] for each in of_language]
        saved.barh(at, shares, height, label=language)
        times = [each["time_to_ghost_ms"].get("p50", 0) for each in of_language]
        late = [each["time_to_ghost_ms"].get("p90", 0) for each in of_language]
        ghost.barh(at, times, height)
        ghost.plot(late, at, "|", color="black")
    saved.set_yticks([each + 0.4 for each in range(len(variants))], variants)
    saved.invert_yaxis()
    saved.set_xlabel("keystrokes saved, %")
    ghost.set_xlabel("time to ghost, ms: p50, and p90 as a mark")
    saved.legend()
    for axes in (saved, ghost):
        axes.grid(axis="x", alpha=0.3)
    # Else the file's ids are random.
    with mpl.rc_context({"svg.hashsalt": "midfill", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
