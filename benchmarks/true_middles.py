"""What the filters do to text that is right: how often a file stops parsing.

    python -m benchmarks.true_middles FOLDER...

Middles are cut out of files that parse: pieces of lines, rests of lines, and blocks of
lines. A model is played that writes each one and goes on with what stands behind it, as
models do. What the server would show of that is put in, and the file is parsed again.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tree_sitter import Parser
from tree_sitter_language_pack import SupportedLanguage, get_parser

from benchmarks.figures import circumstances, table, write_result
from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.service.trigger import choose_scope
from lsp_server.values import Snapshot, Trigger

_RESULTS = Path(__file__).resolve().parent / "results"
_LANGUAGES = {
    "json": ("*.json", "json"),
    "yaml": ("*.y*ml", "yaml"),
    "toml": ("*.toml", "toml"),
    "html": ("*.html", "html"),
    "css": ("*.css", "css"),
    "python": ("*.py", "python"),
    "javascript": ("*.js", "javascript"),
    "typescript": ("*.ts", "typescript"),
    "go": ("*.go", "go"),
    "c": ("*.c", "c"),
    "shellscript": ("*.sh", "bash"),
}
"""The files and the grammar of each language."""

_MOST_CHARS, _MOST_LINE_CHARS = 30_000, 300
_BLOCK_LINES = 4


@dataclass(slots=True)
class Totals:
    """The counts of one language.

    Attributes:
        middles: How many middles were cut out.
        exact: Those that are shown as they are.
        nothing: Those of which nothing is shown.
        unparsable: Those with which the file does not parse any more, without those
            that end with a whole line: there the user can write on.
        by: The filters that changed what does not parse.
        examples: Some of them: what stood there, and what is shown.
    """

    middles: int = 0
    exact: int = 0
    nothing: int = 0
    unparsable: int = 0
    by: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, str]] = field(default_factory=list)


def _sources(folders: Sequence[Path], pattern: str, parser: Parser) -> Iterator[str]:
    """Yield the texts of files that parse, in an order of chance."""
    paths = sorted({path for folder in folders for path in folder.rglob(pattern)})
    random.Random(3).shuffle(paths)  # noqa: S311 - the same files each time
    seen: set[int] = set()
    for path in filter(Path.is_file, paths):
        text = path.read_bytes()[: _MOST_CHARS + 1].decode("ascii", errors="ignore")
        lines = text.split("\n")
        is_usual = 100 < len(text) <= _MOST_CHARS and len(lines) > _BLOCK_LINES
        if not is_usual or "\r" in text or max(map(len, lines)) > _MOST_LINE_CHARS:
            continue
        if (
            hash(text) not in seen
            and not parser.parse(text.encode()).root_node.has_error
        ):
            seen.add(hash(text))
            yield text


def _middle(text: str, rnd: random.Random) -> tuple[int, int]:
    """Return where a middle begins and ends: in a line, to its end, or over some."""
    lines = text.splitlines(keepends=True)
    number = rnd.choice([at for at, line in enumerate(lines) if line.strip()])
    line_start = sum(map(len, lines[:number]))
    line = lines[number].rstrip("\n")
    indentation = len(line) - len(line.lstrip())
    first = rnd.choice([indentation, rnd.randrange(indentation, len(line))])
    kind = rnd.randrange(3)
    if kind == 0:
        return line_start + first, line_start + rnd.randrange(first, len(line)) + 1
    last = min(
        len(lines), number + 1 + (rnd.randrange(_BLOCK_LINES) if kind == 2 else 0)
    )
    end = sum(map(len, lines[:last]))
    return line_start + first, max(
        line_start + first + 1, end - (text[end - 1] == "\n")
    )


def measure(
    folders: Sequence[Path], language_id: str, *, files: int, cuts: int
) -> Totals:
    """Cut middles out of the files of one language."""
    pattern, grammar = _LANGUAGES[language_id]
    parser = get_parser(cast("SupportedLanguage", grammar))
    totals = Totals()
    rnd = random.Random(5)  # noqa: S311 - the same middles each time
    for _, text in zip(range(files), _sources(folders, pattern, parser), strict=False):
        for _ in range(cuts):
            start, end = _middle(text, rnd)
            middle, before, after = text[start:end], text[:start], text[end:]
            snapshot = Snapshot(
                uri="file:///a",
                language_id=language_id,
                version=1,
                text=before + after,
                offset=start,
            )
            cursor = CursorContext.of(snapshot)
            scope = choose_scope(cursor, Trigger.INVOKED, into_blocks=True)
            outcome = postprocess(middle + after, cursor, scope)
            shown = outcome.text
            totals.middles += 1
            totals.exact += shown == middle
            totals.nothing += shown is None
            if shown is None or shown == middle:
                continue
            if middle.startswith(f"{shown}\n"):
                continue
            if parser.parse(f"{before}{shown}{after}".encode()).root_node.has_error:
                totals.unparsable += 1
                totals.by[",".join(outcome.changed_by)] += 1
                totals.examples.append((before[-60:], middle, shown))
    return totals


def main() -> None:
    """Measure every language of which the folders have files, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="+")
    add("--files", type=int, default=60, help="of each language")
    add("--cuts", type=int, default=25, help="of each file")
    add("--examples", type=int, default=0, help="print so many of what is unparsable")
    add("--out", type=Path, default=_RESULTS / "true_middles.json")
    arguments = parser.parse_args()
    began = circumstances()
    rows: list[dict[str, str | float]] = []
    for language_id in _LANGUAGES:
        found = measure(
            arguments.folder, language_id, files=arguments.files, cuts=arguments.cuts
        )
        if found.middles:
            rows.append(
                {
                    "language": language_id,
                    "middles": found.middles,
                    "exact": round(found.exact / found.middles, 3),
                    "nothing": round(found.nothing / found.middles, 3),
                    "unparsable": found.unparsable,
                    "unparsable_share": round(found.unparsable / found.middles, 4),
                    "changed_by": " ".join(f"{n}*{k}" for k, n in found.by.items()),
                }
            )
        for example in found.examples[: arguments.examples]:
            sys.stdout.write(f"{language_id}: {example!r}\n")
    write_result(
        arguments.out, {"benchmark": "true_middles", **began, "languages": rows}
    )
    body = [[str(value) for value in row.values()] for row in rows]
    sys.stdout.write(table([*rows[0]], body) + "\n")


if __name__ == "__main__":
    main()
