"""What was right in what the model wrote still parses when it is shown.

Pieces of valid code are cut out of it. The model is made to write such a piece, and
then goes on with what stands behind the cursor, as models do.
"""

import random
from pathlib import Path
from typing import cast

import pytest
from tree_sitter_language_pack import SupportedLanguage, get_parser

from lsp_server.context.cursor import CursorContext
from lsp_server.language.grammar import Kind
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.values import CompletionScope, Snapshot

SAMPLES = sorted((Path(__file__).parents[1] / "golden" / "sources").glob("*.txt"))
IDS = {"tsx": "typescriptreact", "bash": "shellscript", "make": "makefile"}
LINE, BLOCK = CompletionScope.LINE, CompletionScope.BLOCK


def cuts_of(source: str) -> list[tuple[int, int, CompletionScope]]:
    """Return pieces of lines, ends of lines, and whole lines with their scope."""
    rnd = random.Random(7)  # noqa: S311  # the same pieces each time
    found = []
    start = 0
    for line in source.splitlines(keepends=True):
        code = len(line) - len(line.lstrip())
        end = start + len(line.rstrip("\n"))
        if line.strip():
            found.append((start + code, end, LINE))
            for _ in range(3):
                first = rnd.randrange(start + code, end)
                last = rnd.randrange(first, end) + 1
                found += [(first, last, LINE), (first, end, LINE)]
        start += len(line)
    return found


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_a_true_middle_still_parses(path: Path) -> None:
    """No filter makes a file that parsed stop parsing."""
    source = path.read_text("utf-8")
    parser = get_parser(cast("SupportedLanguage", path.stem))
    assert not parser.parse(source.encode()).root_node.has_error
    broken = []
    exact = 0
    cuts = cuts_of(source)
    for start, end, scope in cuts:
        before, after = source[:start], source[end:]
        cursor = CursorContext.of(
            Snapshot(
                uri="file:///a",
                language_id=IDS.get(path.stem, path.stem),
                version=1,
                text=before + after,
                offset=start,
            )
        )
        literal = cursor.scan(source[start:end]).literal_at(end - start)
        if literal is not None and literal.start >= 0 and literal.kind is Kind.COMMENT:
            continue  # behind it, nobody can tell code from the comment's words
        shown = postprocess(source[start:end] + after, cursor, scope).text
        exact += shown == source[start:end]
        if shown is None:
            continue
        result = parser.parse(f"{before}{shown}{after}".encode())
        if result.root_node.has_error:
            broken.append((source[start:end], shown))
    assert [] == broken
    assert exact > 0.8 * len(cuts)
