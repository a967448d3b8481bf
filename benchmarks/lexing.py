"""What a place in broken code is in: our scan beside Pygments and tree-sitter.

Files of real code are cut at random places, as they are at a cursor. A grammar's parse
of the whole file says what each place is in: code, a string or a comment. Only files
that parse without an error are taken. A place is right where a way knows whether it is
in code, a string or a comment; many that the scan misses are within an opener of
several characters. Times are for 20,000 characters.

    python -m benchmarks.lexing FOLDER...
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, String
from tree_sitter import Node, Parser
from tree_sitter_language_pack import SupportedLanguage, get_parser

from benchmarks.figures import circumstances, table, write_result
from lsp_server.language.frames import literal_of
from lsp_server.language.grammar import Kind
from lsp_server.language.languages import language_of
from lsp_server.language.scan import scan

LANGUAGES = {
    ".py": ("python", "python"),
    ".ts": ("typescript", "typescript"),
    ".js": ("javascript", "javascript"),
    ".go": ("go", "go"),
    ".rs": ("rust", "rust"),
    ".c": ("c", "c"),
    ".lua": ("lua", "lua"),
    ".sh": ("bash", "bash"),
    ".css": ("css", "css"),
}
"""The grammar and the lexer of each file's end."""

RESULTS = Path(__file__).resolve().parent / "results"
REACH_CHARS = 20_000
FILES, CUTS = 20, 20
STRINGS = {
    *("string", "string_literal", "template_string", "char_literal", "rune_literal"),
    *("interpreted_string_literal", "raw_string_literal", "regex", "string_value"),
    *("heredoc_body", "raw_string", "ansi_c_string"),
}
CODE_IN_STRINGS = {
    *("interpolation", "template_substitution", "expansion", "simple_expansion"),
    "command_substitution",
}


Way = Callable[[str], str]
Row = dict[str, str | float]


@dataclass(slots=True)
class Count:
    """How often one way was right, and how long it took.

    Attributes:
        right: Places that it knew.
        right_text: Those in strings and comments.
        seconds: The time of all.
    """

    right: int = 0
    right_text: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Totals:
    """The counts of one language.

    Attributes:
        places: How many places were tried.
        text: How many of them are in strings and comments.
        chars: How much text was read for them.
        ways: The count of each way.
    """

    places: int = 0
    text: int = 0
    chars: int = 0
    ways: dict[str, Count] = field(default_factory=dict)


def kind_at(node: Node, at: int) -> str:
    """Return what the parsed text is in before ``at``: code, string or comment."""
    kind = "code"
    while True:
        if "comment" in node.type and node.start_byte < at <= node.end_byte:
            return "comment"
        if node.type in STRINGS and node.is_named:
            kind = "string"
        elif node.type in CODE_IN_STRINGS:
            kind = "code"
        inner = [
            each
            for each in node.children
            if each.start_byte < at
            and (at < each.end_byte or ("comment" in each.type and at == each.end_byte))
        ]
        if not inner:
            return kind
        node = inner[0]


def ways_of(parser: Parser, lexer: str, language: str) -> dict[str, Way]:
    """Return the three ways to say what the end of a text is in."""
    pygments_lexer = get_lexer_by_name(lexer)
    rules = language_of(language)

    def ours(text: str) -> str:
        literal = literal_of(scan(text, rules).state.frames)
        if literal is None:
            return "code"
        return "comment" if literal.kind is Kind.COMMENT else "string"

    # A word at the end shows what it would be taken for.
    def pygments(text: str) -> str:
        *_, (_, token, _) = pygments_lexer.get_tokens_unprocessed(f"{text}x")
        is_string = token in String
        return "comment" if token in Comment else "string" if is_string else "code"

    def tree_sitter(text: str) -> str:
        tree = parser.parse(f"{text}x".encode())
        return kind_at(tree.root_node, len(text.encode()))

    return {"scan": ours, "pygments": pygments, "tree-sitter": tree_sitter}


def sources(folders: list[Path], suffix: str) -> Iterator[str]:
    """Yield texts of files in an order of chance, each of usual size."""
    paths = sorted(path for each in folders for path in each.rglob(f"*{suffix}"))
    random.Random(3).shuffle(paths)  # noqa: S311  # the same files each time
    for path in filter(Path.is_file, paths):
        text = path.read_bytes().decode("ascii", errors="ignore")
        is_usual = 3_000 < len(text) < 60_000 and "\r" not in text
        if is_usual and max(map(len, text.split("\n"))) < 200:
            yield text


def measure(folders: list[Path], suffix: str) -> Totals:
    """Try all ways at places in files of one language."""
    grammar, lexer = LANGUAGES[suffix]
    parser = get_parser(cast("SupportedLanguage", grammar))
    ways = ways_of(parser, lexer, grammar)
    totals = Totals(ways={name: Count() for name in ways})
    rnd = random.Random(5)  # noqa: S311  # the same places each time
    files = 0
    for text in sources(folders, suffix):
        tree = parser.parse(text.encode())
        if tree.root_node.has_error:
            continue
        for _ in range(CUTS):
            at = rnd.randrange(1, len(text))
            truth = kind_at(tree.root_node, at)
            start = text.find("\n", at - REACH_CHARS) + 1 if at > REACH_CHARS else 0
            before = text[start:at]
            totals.places += 1
            totals.text += truth != "code"
            totals.chars += len(before)
            for name, way in ways.items():
                began = time.process_time()
                is_right = way(before) == truth
                count = totals.ways[name]
                count.seconds += time.process_time() - began
                count.right += is_right
                count.right_text += is_right and truth != "code"
        files += 1
        if files == FILES:
            break
    return totals


def row_of(language: str, totals: Totals) -> Row:
    """Return the figures of one language; times are of the processor."""
    row: Row = {
        "language": language,
        "places": totals.places,
        "in_strings_and_comments": totals.text,
    }
    for name, count in totals.ways.items():
        ms = count.seconds / totals.chars * REACH_CHARS * 1e3
        row[f"{name}_right"] = round(count.right / totals.places, 3)
        row[f"{name}_right_there"] = round(count.right_text / max(1, totals.text), 3)
        row[f"{name}_ms"] = round(ms, 1)
    return row


def main() -> None:
    """Measure every language of which the folders have files, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=RESULTS / "lexing.json")
    arguments = parser.parse_args()
    began = circumstances()
    rows = [
        row_of(name, totals)
        for suffix, (name, _) in LANGUAGES.items()
        if (totals := measure(arguments.folder, suffix)).places
    ]
    write_result(arguments.out, {"benchmark": "lexing", **began, "languages": rows})
    body = [[str(value) for value in row.values()] for row in rows]
    print(table([*rows[0]], body))


if __name__ == "__main__":
    main()
