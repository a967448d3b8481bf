"""The figures of the typing benchmark as tables and a plot, also in its page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import table
from benchmarks.typing_figures import KINDS, PLACES
from lsp_server.files import atomic_write_text

__all__ = [
    "by_event_table",
    "by_place_table",
    "difference_table",
    "draw",
    "main_table",
    "report",
    "write_into",
]


def report(result: Mapping[str, Any]) -> str:
    """Return all tables of a result."""
    cells = result["cells"]
    return "\n\n".join(
        [
            main_table(cells),
            difference_table(cells, result["base"]),
            by_event_table(cells),
            by_place_table(cells),
        ]
    )


def write_into(page: Path, result: Mapping[str, Any], *, name: str) -> None:
    """Put the tables of a result between its two marks on a page.

    Args:
        page: The page.
        result: The result.
        name: Its name in the marks, and that of the plot beside the page.

    Raises:
        ValueError: The page has no such marks.
    """
    begin, end = (f"<!-- {name}: {word} -->" for word in ("begin", "end"))
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{page} has no marks {begin} and {end}")
    hardware = result["hardware"]
    machine = f"{hardware['cores']} cores of {hardware['cpu']}"
    machine = ", ".join([machine, *hardware["gpu"]])
    keys = sum(each["keys"] for each in result["traces"])
    lines = [
        begin,
        f"{result['date']}, commit {str(result['commit'])[:10]}, {result['model']}, "
        f"{machine}, load {hardware['load_average_1_min']} at the start"
        + (f" ({result['note']})" if result["note"] else ""),
        f"and {keys} keys in {len(result['traces'])} files, seed {result['seed']}"
        + (". The user waits for every answer." if result["is_patient"] else "."),
        "",
        f"![keystrokes saved and time to ghost]({name}.svg)",
        "",
        report(result),
        end,
    ]
    atomic_write_text(page, before + "\n".join(lines) + after)


def main_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """Lay out one line for each language and variant."""
    head = ["language", "variant", "saved", "time to ghost p50", "p90", "p99 ms"]
    head += ["in time", "shown", "wrong 1st word", "wholly right", "empty", "reason"]
    head += ["cached", "with ahead", "wrong/char", "out tok/char", "new tok/char"]
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
                        "cached_share_with_ahead",
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


def by_place_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """Lay out ghosts of all languages by place: median time, and how many of events."""
    rows = []
    for each in cells:
        if each["language"] == "all":
            at = each.get("at_places", {})
            rows.append(
                [
                    each["variant"],
                    *(_at_place(at[p]) if p in at else "" for p in PLACES),
                ]
            )
    return table(["ms to ghost (ghosts of events)", *PLACES], rows)


def _at_place(found: Mapping[str, Any]) -> str:
    ghosts = f"({found['ghosts']} of {found['events']})"
    median_ms = found["time_to_ghost_ms"].get("p50")
    return ghosts if median_ms is None else f"{median_ms:g} {ghosts}"


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
    figure.legend(loc="outside lower center", ncols=len(languages))
    for axes in (saved, ghost):
        axes.grid(axis="x", alpha=0.3)
    # Else the file's ids are random.
    with mpl.rc_context({"svg.hashsalt": "midfill", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
