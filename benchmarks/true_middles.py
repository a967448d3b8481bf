"""What the filters do to text that is right: how much of it is shown, and parses.

    python -m benchmarks.true_middles FOLDER...

Middles are cut out of files that parse: pieces of lines, rests of lines, and blocks of
lines. Models are played that write each one and stop, or go on as models do
(`model_writing`). What the server would show of that is put in, and the file is parsed
again. The scope may end before the middle does: of several lines the first may come.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tree_sitter import Parser
from tree_sitter_language_pack import SupportedLanguage, get_parser

from benchmarks.figures import circumstances, table, write_result
from benchmarks.model_writing import WRITERS
from lsp_server.context.cursor import CursorContext
from lsp_server.language.languages import language_of
from lsp_server.language.scan import scan
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.service.trigger import choose_scope
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot, Trigger

__all__ = ["LANGUAGES", "draw_middle", "that_parse"]

_RESULTS = Path(__file__).resolve().parent / "results"
LANGUAGES = {
    "json": ("*.json", "json"),
    "yaml": ("*.y*ml", "yaml"),
    "toml": ("*.toml", "toml"),
    "html": ("*.html", "html"),
    "css": ("*.css", "css"),
    "scss": ("*.scss", "scss"),
    "python": ("*.py", "python"),
    "javascript": ("*.js", "javascript"),
    "typescript": ("*.ts", "typescript"),
    "go": ("*.go", "go"),
    "rust": ("*.rs", "rust"),
    "java": ("*.java", "java"),
    "c": ("*.c", "c"),
    "cpp": ("*.cpp", "cpp"),
    "csharp": ("*.cs", "csharp"),
    "kotlin": ("*.kt", "kotlin"),
    "php": ("*.php", "php"),
    "ruby": ("*.rb", "ruby"),
    "lua": ("*.lua", "lua"),
    "shellscript": ("*.sh", "bash"),
    "sql": ("*.sql", "sql"),
    "makefile": ("*[Mm]akefile*", "make"),
    "dockerfile": ("Dockerfile*", "dockerfile"),
    "markdown": ("*.md", "markdown"),
}
"""The files and the grammar of each language."""

_MOST_CHARS, _MOST_LINE_CHARS = 30_000, 300
_BLOCK_LINES = 4
_OUTCOMES = ("exact", "lines", "nothing", "shorter", "longer", "changed")


@dataclass(slots=True)
class Totals:
    """The counts of one language and one way to write.

    Attributes:
        middles: How many middles were cut out.
        exact: Those that are shown as they are, but for blanks at the end.
        lines: Those of which the first lines are shown, in any columns.
        nothing: Those of which nothing is shown, though there is something.
        shorter: Those of which a line ends too early.
        longer: Those that are shown with more behind them.
        changed: All others.
        unparsable: Those with which the file does not parse any more, without those
            that end with a whole line: there the user can write on.
        by: The filters that changed what does not parse.
        examples: Some of those that are not exact: what stood there, what is shown.
    """

    middles: int = 0
    exact: int = 0
    lines: int = 0
    nothing: int = 0
    shorter: int = 0
    longer: int = 0
    changed: int = 0
    unparsable: int = 0
    by: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, str | None]] = field(default_factory=list)

    def add(self, other: "Totals") -> None:
        """Add the counts of another language."""
        for name in (*_OUTCOMES, "middles", "unparsable"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.by += other.by

    def shares(self) -> dict[str, str | float]:
        """Return the counts as shares of all middles."""
        of = max(self.middles, 1)
        return {
            "middles": self.middles,
            **{name: round(getattr(self, name) / of, 4) for name in _OUTCOMES},
            "unparsable": self.unparsable,
            "changed_by": " ".join(f"{n}*{k}" for k, n in self.by.items()),
        }


def _outcome(middle: str, shown: str | None) -> str:
    """Return which of the counts what is shown of a middle belongs to."""
    if shown is None:
        return "nothing" if middle.strip() else "exact"
    if shown.rstrip() == middle.rstrip():
        return "exact"
    lines = [line.strip() for line in middle.rstrip().split("\n")]
    if lines[: shown.count("\n") + 1] == [line.strip() for line in shown.split("\n")]:
        return "lines"
    if middle.startswith(shown):
        return "shorter"
    return "longer" if shown.startswith(middle) else "changed"


def _sources(folders: Sequence[Path], pattern: str, parser: Parser) -> Iterator[str]:
    """Yield the texts of files that parse, in an order of chance."""
    paths = sorted({path for folder in folders for path in folder.rglob(pattern)})
    random.Random(3).shuffle(paths)  # noqa: S311 - the same files each time
    contents = (
        path.read_bytes()[: _MOST_CHARS + 1].decode("ascii", errors="ignore")
        for path in paths
        if path.is_file()
    )
    yield from that_parse(map(with_line_feeds, contents), parser)


def that_parse(texts: Iterable[str], parser: Parser) -> Iterator[str]:
    """Yield the texts that parse, of a usual length, each once."""
    seen: set[int] = set()
    for text in texts:
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


def draw_middle(text: str, rnd: random.Random) -> tuple[int, int]:
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
) -> Mapping[str, Totals]:
    """Cut middles out of the files of one language; return the totals by writer."""
    pattern, grammar = LANGUAGES[language_id]
    parser = get_parser(cast("SupportedLanguage", grammar))
    totals = {name: Totals() for name in WRITERS}
    rnd = random.Random(5)  # noqa: S311 - the same middles each time
    for _, text in zip(range(files), _sources(folders, pattern, parser), strict=False):
        for _ in range(cuts):
            start, end = draw_middle(text, rnd)
            before, middle, after = text[:start], text[start:end], text[end:]
            snapshot = Snapshot(
                uri="file:///a",
                language_id=language_id,
                version=1,
                text=before + after,
                offset=start,
            )
            cursor = CursorContext.of(snapshot)
            scope = choose_scope(cursor, Trigger.INVOKED, into_blocks=True)
            for name, write in WRITERS.items():
                written = write(before, middle, after, language_id)
                if written is None:
                    continue
                outcome, of = postprocess(written, cursor, scope), totals[name]
                shown = outcome.text
                kind = _outcome(middle, shown)
                of.middles += 1
                setattr(of, kind, getattr(of, kind) + 1)
                if kind in {"exact", "lines"}:
                    continue
                of.examples.append((before[-60:], middle, shown))
                inserted = f"{before}{shown or middle}{after}".encode()
                if parser.parse(inserted).root_node.has_error:
                    of.unparsable += 1
                    of.by[",".join(outcome.changed_by)] += 1
    return totals


def misread(
    folders: Sequence[Path], language_id: str, *, files: int
) -> tuple[int, int]:
    """Return how many whole files of a language were scanned, and how many wrongly.

    A file that parses has no bracket too many, and nothing open at its end but a
    comment without a line end.
    """
    pattern, grammar = LANGUAGES[language_id]
    parser = get_parser(cast("SupportedLanguage", grammar))
    scanned = wrong = 0
    texts = _sources(folders, pattern, parser)
    for _, text in zip(range(files), texts, strict=False):
        found = scan(f"{text}\n", language_of(language_id))
        scanned += 1
        wrong += bool(found.faults or found.state.frames)
    return scanned, wrong


def main() -> None:
    """Measure every language of which the folders have files, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="+")
    add("--files", type=int, default=60, help="of each language")
    add("--cuts", type=int, default=25, help="of each file")
    add("--examples", type=int, default=0, help="print so many of what is not right")
    add("--out", type=Path, default=_RESULTS / "true_middles.json")
    add("--whole", action="store_true", help="only scan whole files, and count faults")
    arguments = parser.parse_args()
    if arguments.whole:
        for language_id in LANGUAGES:
            scanned, wrong = misread(
                arguments.folder, language_id, files=arguments.files
            )
            sys.stdout.write(f"{language_id}: {wrong} of {scanned} misread\n")
        return
    began = circumstances()
    rows: list[dict[str, str | float]] = []
    together = {name: Totals() for name in WRITERS}
    for language_id in LANGUAGES:
        found = measure(
            arguments.folder, language_id, files=arguments.files, cuts=arguments.cuts
        )
        for writer, totals in found.items():
            together[writer].add(totals)
            if totals.middles:
                rows.append(
                    {"language": language_id, "writer": writer, **totals.shares()}
                )
            for example in totals.examples[: arguments.examples]:
                sys.stdout.write(f"{language_id}, {writer}: {example!r}\n")
    rows += [
        {"language": "all", "writer": writer, **totals.shares()}
        for writer, totals in together.items()
    ]
    write_result(
        arguments.out, {"benchmark": "true_middles", **began, "languages": rows}
    )
    body = [[str(value) for value in row.values()] for row in rows]
    sys.stdout.write(table([*rows[0]], body) + "\n")


if __name__ == "__main__":
    main()
