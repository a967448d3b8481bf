"""Midfill's rules of languages say what VS Code's own configuration of them says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsp_server.context.cursor import CursorContext
from lsp_server.language.grammar import Kind
from lsp_server.language.languages import language_of
from lsp_server.values import Snapshot

pytestmark = pytest.mark.editor

NO_COMMENTS = {"json"}
"""The standard has none; JSON with comments is another language to VS Code as well."""

NO_BLOCK_COMMENTS = NO_COMMENTS | {"python"}
"""What VS Code puts round a block of Python is a string."""

OTHER_BRACKETS = {
    # Text between tags may have any bracket without another.
    "html": {"{}", "()"},
    "xml": {"{}", "()", "<>"},
    # These mean nothing there.
    "makefile": {"[]"},
    "sql": {"{}"},
    "yaml": {"()"},
    "dockercompose": {"()"},
}
"""Brackets that VS Code pairs, and Midfill leaves alone."""

LEAST_LANGUAGES = 30


def read_jsonc(path: Path) -> dict[str, object]:
    """Read JSON that may have comments and a comma too many."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(
        r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/',
        lambda found: found[1] or "",
        text,
        flags=re.DOTALL,
    )
    read = json.loads(re.sub(r",(\s*[}\]])", r"\1", text))
    assert isinstance(read, dict)
    return read


def configurations(editors: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the configuration of each language that Midfill has rules for."""
    extensions = "node_modules/code-server/lib/vscode/extensions"
    (folder,) = editors.glob(f"code-server-*/{extensions}")
    for manifest in sorted(folder.glob("*/package.json")):
        contributes = read_jsonc(manifest).get("contributes")
        languages = (
            contributes.get("languages") if isinstance(contributes, dict) else []
        )
        for language in languages or []:
            file = language.get("configuration")
            if file and not language_of(language["id"]).is_prose:
                yield language["id"], read_jsonc(manifest.parent / file)


def is_comment(language_id: str, before: str, after: str) -> bool:
    """Return whether a cursor between two texts is in a comment."""
    snapshot = Snapshot(
        uri="file:///a",
        language_id=language_id,
        version=1,
        text=before + after,
        offset=len(before),
    )
    return CursorContext.of(snapshot).kind is Kind.COMMENT


def test_comments_and_brackets_are_those_of_vs_code(editors: Path) -> None:
    """For each language that both know, but for what is named above."""
    found = list(configurations(editors))
    assert LEAST_LANGUAGES < len(found)
    for language_id, configuration in found:
        comments = configuration.get("comments")
        assert isinstance(comments, dict)
        line = comments.get("lineComment")
        mark = line["comment"] if isinstance(line, dict) else line
        if mark and language_id not in NO_COMMENTS:
            assert mark == language_of(language_id).line_comment, language_id
            assert is_comment(language_id, f"a\n{mark} b", "\n"), language_id
        if (block := comments.get("blockComment")) and (
            language_id not in NO_BLOCK_COMMENTS
        ):
            begins, ends = block
            assert is_comment(language_id, f"a\n{begins}\nb", f"\n{ends}"), language_id
            assert not is_comment(language_id, f"a\n{begins}\nb\n{ends}\nc", "\n")
        pairs = configuration.get("brackets", [])
        assert isinstance(pairs, list)
        theirs = {a + b for a, b in pairs if len(a) == 1}
        ours = set(language_of(language_id).brackets)
        assert theirs - ours == OTHER_BRACKETS.get(language_id, set()), language_id
