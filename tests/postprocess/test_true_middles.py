"""What was right in what the model wrote still parses when it is shown.

Pieces of valid code are cut out of it. Models are played that write such a piece, and
then stop, or go on as models do: with what stands behind the cursor, with the same
again, with a closer too many, in other widths.
"""

import random
from pathlib import Path
from typing import cast

import pytest
from tree_sitter_language_pack import SupportedLanguage, get_parser

from benchmarks.model_writing import WRITERS
from lsp_server.context.cursor import CursorContext
from lsp_server.language.grammar import Kind
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.service.trigger import choose_scope
from lsp_server.values import Snapshot, Trigger

SAMPLES = sorted((Path(__file__).parents[1] / "golden" / "sources").glob("*.txt"))
IDS = {"tsx": "typescriptreact", "bash": "shellscript", "make": "makefile"}
MOVED = {"half the width", "twice the width", "tabs"}
"""What is shown of these may be indented in another way, and still be right."""


def cuts_of(source: str) -> list[tuple[int, int]]:
    """Return pieces of lines, ends of lines, and whole lines."""
    rnd = random.Random(7)  # noqa: S311  # the same pieces each time
    found = []
    start = 0
    for line in source.splitlines(keepends=True):
        code = len(line) - len(line.lstrip())
        end = start + len(line.rstrip("\n"))
        if line.strip():
            found.append((start + code, end))
            for _ in range(3):
                first = rnd.randrange(start + code, end)
                last = rnd.randrange(first, end) + 1
                found += [(first, last), (first, end)]
        start += len(line)
    return found


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_a_true_middle_still_parses(path: Path, writer: str) -> None:
    """No filter makes a file that parsed stop parsing, nor shows more than is right."""
    source = path.read_text("utf-8")
    parser = get_parser(cast("SupportedLanguage", path.stem))
    assert not parser.parse(source.encode()).root_node.has_error
    language_id = IDS.get(path.stem, path.stem)
    broken = []
    shown_whole = written = 0
    for start, end in cuts_of(source):
        before, middle, after = source[:start], source[start:end], source[end:]
        if writer == "closes again" and after[:1].strip():
            continue  # within a line, what closes is often as likely as what is open
        text = WRITERS[writer](before, middle, after, language_id)
        if text is None:
            continue
        line_end = "\r\n" if start % 2 else "\n"
        above, behind = (each.replace("\n", line_end) for each in (before, after))
        cursor = CursorContext.of(
            Snapshot(
                uri="file:///a",
                language_id=language_id,
                version=1,
                text=above + behind,
                offset=len(above),
            )
        )
        literal = cursor.scan(middle).literal_at(end - start)
        if literal is not None and literal.start >= 0 and literal.kind is Kind.COMMENT:
            continue  # behind it, nobody can tell code from the comment's words
        scope = choose_scope(cursor, Trigger.INVOKED, into_blocks=True)
        shown = postprocess(text, cursor, scope).text
        written += 1
        shown_whole += (shown or "").strip() == middle.strip()
        if shown is None:
            continue
        result = parser.parse(f"{before}{shown}{after}".encode())
        is_more = writer not in MOVED and not middle.startswith(shown)
        if is_more or result.root_node.has_error:
            broken.append((middle, shown))
    assert [] == broken
    assert shown_whole >= 0.9 * written
