"""Replayed traces become figures."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.figures import percentile
from benchmarks.typing_events import Event, Kind, Played, Spent

__all__ = ["KINDS", "PLACES", "figures_of"]

KINDS: tuple[Kind, ...] = ("key", "enter", "jump", "accept", "slip")
PLACES = (*KINDS, "key after jump", "key after accept")
"""What a user waits at: a kind of event, or the first key after one."""

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
    # A request ended while its prompt was read ahead: what of it is not known, so all.
    all_begun = [c for c in spent if c.cached_tokens is not None or c.is_ahead]
    new_tokens = [_new(cost) for cost in all_begun]
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
        "at_places": _at_places(played),
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
        "cached_share": _cached_share(begun),
        "cached_share_with_ahead": _cached_share(all_begun),
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


def _cached_share(begun: Sequence[Spent]) -> float:
    """Return how many of the prompt tokens the engine had in its prefix cache."""
    cached = sum(cost.cached_tokens or 0 for cost in begun)
    return _share(cached, sum(cost.prompt_tokens for cost in begun))


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


def _at_places(played: Iterable[Played]) -> dict[str, dict[str, Any]]:
    """Return how many events each place had, how many ghosts, and how soon those came.

    After a jump pre-warming shows itself, after an accept speculation and the rule that
    nothing comes up there by itself.
    """
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for each in played:
        for before, event in zip((None, *each.events), each.events, strict=False):
            found[event.kind].append(event)
            if before is not None and event.kind == "key":
                found[f"key after {before.kind}"].append(event)
    return {
        place: {
            "events": len(found[place]),
            "ghosts": len(shown),
            "time_to_ghost_ms": _percentiles([each.wait_ms or 0.0 for each in shown]),
        }
        for place in PLACES
        if found[place]
        for shown in [[each for each in found[place] if each.ghost_chars]]
    }


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
