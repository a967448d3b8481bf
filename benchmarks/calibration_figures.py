"""What the gates show, how often that is right, and how candidates are best ranked."""

import math
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.calibration_gates import Playback, Shown, Tape
from benchmarks.figures import table
from lsp_server.language.syntax import syntax_errors
from lsp_server.values import Trigger
from training.eval.values import Task

__all__ = [
    "LEVELS",
    "draw_curves",
    "floor_for",
    "gate_row",
    "levels_of",
    "shown_at_floors",
    "summarise",
]

_FLOORS = (0.0, 0.02, 0.05, *(at / 20 for at in range(2, 20)), 0.97)
LEVELS: Mapping[str, float] = {"low": 0.9, "normal": 0.8, "high": 0.65}
"""How much of the characters shown has to be right at each level of eagerness."""

_BINS = 10
_MAX_SHOWN_CANDIDATES = 3
_RANKINGS: Mapping[str, Callable[[Shown, int], tuple[float, float]]] = {
    "the greedy one": lambda _, __: (0, 0),
    "joint": lambda shown, _: (0, shown.logprob),
    "joint / root of length": lambda shown, _: (
        0,
        shown.logprob / max(1, shown.tokens) ** 0.5,
    ),
    "mean": lambda shown, _: (0, shown.logprob / max(1, shown.tokens)),
    "joint, halved for each error": lambda shown, errors: (
        0,
        shown.logprob - errors * math.log(2),
    ),
    "joint, a tenth for each error": lambda shown, errors: (
        0,
        shown.logprob - errors * math.log(10),
    ),
    "fewest errors, then joint": lambda shown, errors: (-errors, shown.logprob),
}


async def summarise(
    playback: Playback, tapes: Sequence[Tape], tasks: Mapping[str, Task], *, seed: int
) -> dict[str, object]:
    """Return the curves of each suite, and print them as tables.

    Args:
        playback: Tries the gates.
        tapes: What the engine wrote.
        tasks: The tasks, by their ids.
        seed: Draws the half of the cursors that floors are chosen on.
    """
    found: dict[str, object] = {}
    for suite in dict.fromkeys(tape.suite for tape in tapes):
        of_suite = [t for t in tapes if t.suite == suite and t.token_ids]
        at_floor = await shown_at_floors(playback, of_suite, tasks)
        ungated = at_floor[0.0]
        gates = {"joint, cut": [gate_row(f, shown) for f, shown in at_floor.items()]}
        for name, of_text in (("joint", _joint), ("mean", _mean)):
            gates[f"{name}, all or nothing"] = [
                gate_row(f, [s for s in ungated if of_text(s) >= f], generated=ungated)
                for f in _FLOORS
            ]
        found[suite] = {
            "cursors": len(of_suite),
            "levels": levels_of(at_floor, seed),
            "reliability": _reliability(ungated),
            "gates": gates,
            "rankings": await _rankings(playback, of_suite, tasks),
        }
        sys.stdout.write(f"\n{suite}: {len(of_suite)} cursors\n")
        for name, rows in gates.items():
            sys.stdout.write(f"\n{name}\n\n{_as_table(rows)}\n")
        for key in ("levels", "reliability", "rankings"):
            sys.stdout.write(f"\n{_as_table(found[suite][key])}\n")  # type: ignore[index]  # a dict, above
    return found


async def shown_at_floors(
    playback: Playback, tapes: Sequence[Tape], tasks: Mapping[str, Task]
) -> dict[float, list[Shown]]:
    """Return what is shown of each tape at each floor, the lowest floor first."""
    return {
        floor: [
            await playback.shown(tape, tasks[tape.task_id], floor=floor)
            for tape in tapes
        ]
        for floor in _FLOORS
    }


def levels_of(
    at_floor: Mapping[float, Sequence[Shown]], seed: int
) -> list[dict[str, object]]:
    """Return each level's floor, from half of the cursors, and what the rest says."""
    count = len(at_floor[0.0])
    drawn = random.Random(seed).sample(range(count), count // 2)  # noqa: S311 - a split
    chosen_on = frozenset(drawn)
    halves = [
        {
            floor: gate_row(
                floor,
                [
                    each
                    for at, each in enumerate(shown)
                    if (at in chosen_on) is is_first
                ],
            )
            for floor, shown in at_floor.items()
        }
        for is_first in (True, False)
    ]
    first, second = halves
    rows: list[dict[str, object]] = []
    for level, share in LEVELS.items():
        floor = floor_for(share, first)
        found, ungated = second[floor], second[0.0]
        rows.append(
            {
                "level": level,
                "floor": floor,
                "right_share_where_chosen": first[floor]["right_share"],
                "right_share": found["right_share"],
                "right_remains": _share(found["right_chars"], ungated["right_chars"]),
                "wrong_remains": _share(found["wrong_chars"], ungated["wrong_chars"]),
                "shown": found["shown"],
            }
        )
    return rows


def floor_for(share: float, rows: Mapping[float, Mapping[str, float]]) -> float:
    """Return the lowest floor at which so much of what is shown is right."""
    good = (floor for floor, row in rows.items() if row["right_share"] >= share)
    return min(good, default=_FLOORS[-1])


def _share(part: float, whole: float) -> float:
    return round(part / max(1, whole), 3)


def _joint(shown: Shown) -> float:
    return shown.joint


def _mean(shown: Shown) -> float:
    return shown.mean


def gate_row(
    floor: float, shown: Sequence[Shown], *, generated: Sequence[Shown] | None = None
) -> dict[str, float]:
    """Return what a gate shows; a gate on whole texts has all of them generated."""
    texts = [each for each in shown if each.text]
    right = sum(each.right_chars for each in texts)
    wrong = sum(each.wrong_chars for each in texts)
    whole = sum(not each.wrong_chars for each in texts)
    first = sum(not each.right_chars for each in texts)
    return {
        "floor": floor,
        "shown": len(texts),
        "right_chars": right,
        "wrong_chars": wrong,
        "right_share": round(right / max(1, right + wrong), 3),
        "all_right": round(whole / max(1, len(texts)), 3),
        "wrong_from_the_start": round(first / max(1, len(texts)), 3),
        "exact": sum(each.is_exact for each in texts),
        "generated_tokens": sum(each.generated_tokens for each in generated or shown),
    }


def _reliability(shown: Sequence[Shown]) -> list[dict[str, float]]:
    """Return how often a text was right, by how likely it was."""
    rows = []
    for at in range(_BINS):
        low, high = at / _BINS, (at + 1) / _BINS
        row: dict[str, float] = {"from": low, "to": high}
        for name in ("joint", "mean"):
            inside = [
                each
                for each in shown
                if each.text and low <= getattr(each, name) < high + (at == _BINS - 1)
            ]
            right = sum(not each.wrong_chars for each in inside)
            row[f"{name}_texts"] = len(inside)
            row[f"{name}_right"] = round(right / max(1, len(inside)), 3)
        rows.append(row)
    return rows


async def _rankings(
    playback: Playback, tapes: Sequence[Tape], tasks: Mapping[str, Task]
) -> list[dict[str, object]]:
    """Return how often the first candidate is right, by how they are ranked."""
    every: list[list[tuple[Shown, int]]] = []
    for tape in tapes:
        texts: dict[str, Shown] = {}
        for candidate in range(min(_MAX_SHOWN_CANDIDATES, len(tape.token_ids))):
            shown = await playback.shown(
                tape,
                tasks[tape.task_id],
                floor=0.0,
                trigger=Trigger.INVOKED,
                candidate=candidate,
            )
            if shown.text:
                texts.setdefault(shown.text, shown)
        if len(texts) > 1:
            place = tasks[tape.task_id].snapshot
            errors = syntax_errors(
                place.text, place.offset, list(texts), place.language_id, limit_s=60
            )
            every.append(
                list(zip(texts.values(), errors or [0] * len(texts), strict=True))
            )
    rows: list[dict[str, object]] = []
    for name, key in _RANKINGS.items():
        best = [max(texts, key=lambda found: key(*found))[0] for texts in every]
        rows.append(_ranking_row(name, best))
    oracle = [
        max(texts, key=lambda found: (found[0].is_exact, found[0].right_chars))[0]
        for texts in every
    ]
    rows.append(_ranking_row("the best, known from the file", oracle))
    return rows


def _ranking_row(name: str, best: Sequence[Shown]) -> dict[str, object]:
    return {
        "first is": name,
        "cursors": len(best),
        "exact": sum(each.is_exact for each in best),
        "right_chars": sum(each.right_chars for each in best),
        "wrong_chars": sum(each.wrong_chars for each in best),
    }


def _as_table(rows: Sequence[Mapping[str, object]]) -> str:
    head = list(rows[0])
    return table(head, [[str(row[key]) for key in head] for row in rows])


def draw_curves(
    result: Mapping[str, Any],  # Any: decoded JSON, drawn as it stands
    path: Path,
) -> None:
    """Draw reliability, and wrong against right characters, of the first suite."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to import

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "midfill"
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
    for suite, style in (("replay", "o-"), ("HumanEval", "s--")):
        if suite not in result:
            continue
        rows = result[suite]["reliability"]
        for name in ("joint", "mean"):
            kept = [row for row in rows if row[f"{name}_texts"] >= _BINS]
            left.plot(
                [(row["from"] + row["to"]) / 2 for row in kept],
                [row[f"{name}_right"] for row in kept],
                style,
                label=f"{name}, {suite}",
            )
    left.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    left.set_xlabel("probability")
    left.set_ylabel("share of texts that are right")
    left.legend(fontsize=7)
    for name, rows in result["replay"]["gates"].items():
        right.plot(
            [row["right_chars"] for row in rows],
            [row["wrong_chars"] for row in rows],
            ".-",
            label=name,
        )
    right.set_xlabel("characters shown that are right")
    right.set_ylabel("characters shown that are wrong")
    right.legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
