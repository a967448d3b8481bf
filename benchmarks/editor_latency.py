"""Key-to-ghost latency in a real editor: what is measured, and how it is written down.

Every editor types into copies of this repository's own modules, at places of four
kinds: behind a word's letters, a dot and Enter, and in a file that was just opened.
The cursor jumps from place to place, so much of each prompt is new. Behind a word and a
dot the next letter follows, as when somebody goes on typing: the prompt is known.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import circumstances, median, percentile, write_result

__all__ = ["CASES", "Place", "PreparedFile", "prepare_files", "write_results"]

CASES = ("word", "dot", "enter", "unseen", "next")

_SPOTS: Mapping[str, re.Pattern[str]] = {
    "word": re.compile(r"^(\s+return [a-z_]{2,3})([a-z_])([a-z_]).*$"),
    "dot": re.compile(r"^(\s+.*\bself)(\.)(_?[a-z])\w+.*$"),
    "enter": re.compile(r"^(\s+[a-z_]+ = .*[\w)])()()$"),
}
_LINES_APART = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a key is pressed.

    Attributes:
        case: What stands before the cursor when the key is down.
        line: The line, counted from 1; the cursor is at its end.
        key: The character that is typed there.
        next_key: The character that is typed after it; empty for none.
    """

    case: str
    line: int
    key: str
    next_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFile:
    """A module that breaks off at some places.

    Attributes:
        name: The name of the copy.
        text: The text, the rest of each place's line taken away.
        places: Where keys are pressed, in this order. The first is the unseen one.
    """

    name: str
    text: str
    places: tuple[Place, ...]


def prepare_files(root: Path, count: int) -> list[PreparedFile]:
    """Prepare copies of modules that have a place of each kind.

    Args:
        root: The repository.
        count: How many files; each gives one sample of each case.
    """
    prepared: list[PreparedFile] = []
    for path in sorted((root / "lsp_server").rglob("*.py")):
        file = _prepare(f"{path.parent.name}_{path.name}", path.read_text())
        if file is not None:
            prepared.append(file)
    return prepared[:count]


def _prepare(name: str, text: str) -> PreparedFile | None:
    lines = text.split("\n")
    taken: list[int] = []
    places: list[Place] = []
    # Enter moves what is below it, so it comes last.
    for case in ("word", "word", "dot", "enter"):
        pattern = _SPOTS[case]
        for number, line in enumerate(lines):
            found = pattern.match(line)
            if not found or any(abs(number - other) < _LINES_APART for other in taken):
                continue
            taken.append(number)
            lines[number] = found[1]
            places.append(
                Place(
                    case=case if places else "unseen",
                    line=number + 1,
                    key=found[2] or "\n",
                    next_key=found[3][-1:] if places else "",
                )
            )
            break
        else:
            return None
    return PreparedFile(name=name, text="\n".join(lines), places=tuple(places))


def write_results(
    path: Path,
    editor: str,
    samples_ms: Mapping[str, Sequence[float | None]],
    *,
    not_shown: Mapping[str, Mapping[str, int]] | None = None,
    began: Mapping[str, object] | None = None,
    handler_ms: Sequence[float] = (),
) -> None:
    """Write what was measured.

    Args:
        path: A JSON file.
        editor: The editor's name and version.
        samples_ms: For each case the milliseconds from key to ghost text; None where
            none came.
        not_shown: For each case how often none came for which reason.
        began: The circumstances as the measuring began; by default those of now.
        handler_ms: How long each key held the editor's extension before its request was
            sent, where the editor tells.
    """
    cases = {}
    for case, samples in samples_ms.items():
        shown = [sample for sample in samples if sample is not None]
        cases[case] = {
            "keys": len(samples),
            "shown": len(shown),
            "not_shown": (not_shown or {}).get(case, {}),
            "p50_ms": round(median(shown), 1) if shown else None,
            "p95_ms": round(percentile(shown, 95), 1) if shown else None,
            "samples_ms": [
                None if each is None else round(each, 1) for each in samples
            ],
        }
    named = {"benchmark": "editor latency", "editor": editor}
    handler = {
        f"p{share}_ms": round(percentile(handler_ms, share), 2)
        for share in (50, 95)
        if handler_ms
    }
    figures = {"cases": cases} | ({"handler": handler} if handler else {})
    write_result(path, named | dict(began or circumstances()) | figures)
