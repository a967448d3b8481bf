"""Golden completions: a document with a cursor, what was generated, what is shown.

A case with ``known_bad`` shows what happens today, though it should not, and why.
"""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.postprocess.scope import StopRule
from lsp_server.values import CompletionScope, FinishReason, Snapshot

CURSOR = "▮"
FOLDER = Path(__file__).parents[1] / "golden" / "postprocess"
CASES = sorted(FOLDER.glob("*.toml"))
GOLDEN = pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
KEYS = {
    "changed_by",
    "document",
    "dropped_by",
    "finish_reason",
    "generated",
    "known_bad",
    "language",
    "scope",
    "shown",
}


def load(path: Path) -> tuple[dict[str, Any], CursorContext, CompletionScope]:
    """Read a case; return it with its cursor and its scope."""
    case: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    document = case["document"]
    snapshot = Snapshot(
        uri="file:///a",
        language_id=case.get("language", "python"),
        version=1,
        text=document.replace(CURSOR, ""),
        offset=document.index(CURSOR),
    )
    return case, CursorContext.of(snapshot), CompletionScope(case["scope"])


@GOLDEN
def test_golden_completion(path: Path) -> None:
    """The generated text of the case becomes the shown text of the case."""
    case, cursor, scope = load(path)
    outcome = postprocess(
        case["generated"],
        cursor,
        scope,
        finish_reason=FinishReason(case.get("finish_reason", "stop")),
    )
    assert case.get("shown") == outcome.text
    assert case.get("dropped_by") == outcome.dropped_by
    assert tuple(case.get("changed_by", ())) == outcome.changed_by


@GOLDEN
def test_a_case_is_well_formed(path: Path) -> None:
    """A case says what is shown or why nothing is, and has no unknown key."""
    case, _, _ = load(path)
    assert set(case) <= KEYS
    assert ("shown" in case) != ("dropped_by" in case)


@GOLDEN
def test_stopping_early_shows_the_same(path: Path) -> None:
    """Ending the generation where the stop rule says so loses nothing that is shown."""
    case, cursor, scope = load(path)
    if case.get("finish_reason", "stop") != "stop":
        return
    rule = StopRule(cursor, scope)
    generated = ""
    for char in case["generated"]:
        generated += char
        if rule.feed(char):
            break
    assert case.get("shown") == postprocess(generated, cursor, scope).text
