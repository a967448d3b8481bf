"""Where generations end by themselves, in several languages, and why."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.context.cursor import CursorContext
from lsp_server.outcomes import StopCause
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.postprocess.scope import StopRule
from lsp_server.values import CompletionScope, Snapshot

CURSOR = "▮"
CASES = tomllib.loads(Path(__file__).with_name("ends.toml").read_text(encoding="utf-8"))
ENDS = [
    pytest.param(language, case, id=f"{language}: {case['about']}")
    for language, cases in CASES.items()
    for case in cases
]


def cursor_of(document: str, language: str) -> CursorContext:
    """Return the marked cursor."""
    return CursorContext.of(
        Snapshot(
            uri="file:///a",
            language_id=language,
            version=1,
            text=document.replace(CURSOR, ""),
            offset=document.index(CURSOR),
        )
    )


def generated_until_end(
    generated: str, cursor: CursorContext, scope: CompletionScope
) -> tuple[str, StopCause | None]:
    """Return what is generated, character by character, and why it ended."""
    rule = StopRule(cursor, scope)
    for end, char in enumerate(generated, 1):
        if rule.feed(char):
            return generated[:end], rule.cause
    return generated, None


@pytest.mark.parametrize(("language", "case"), ENDS)
def test_where_a_generation_ends(language: str, case: Mapping[str, str]) -> None:
    """It ends for the reason of the case, and what is shown is as without an end."""
    cursor = cursor_of(case["document"], language)
    scope = CompletionScope(case["scope"])
    generated, cause = generated_until_end(case["generated"], cursor, scope)
    assert case.get("cause") == (cause and cause.value)
    shown = postprocess(generated, cursor, scope).text
    assert case["shown"] == shown
    assert shown == postprocess(case["generated"], cursor, scope).text


TEXTS = st.text(alphabet='ab:{}()"#\n \t', max_size=60)


@given(
    TEXTS,
    st.sampled_from(["if x:", "f(", "a = {", ""]),
    st.sampled_from(["python", "javascript", "lua", "shellscript", "yaml", "none"]),
    st.sampled_from(CompletionScope),
)
def test_ending_early_never_shows_more_or_less(
    generated: str, head: str, language: str, scope: CompletionScope
) -> None:
    """Whatever a model writes, what follows the end would have been cut anyway."""
    cursor = cursor_of(f"{head}{CURSOR}\n", language)
    whole = postprocess(generated, cursor, scope)
    early, cause = generated_until_end(generated, cursor, scope)
    if cause is not StopCause.REPETITION:
        assert whole.text == postprocess(early, cursor, scope).text


@pytest.mark.parametrize("language", ["markdown", "plaintext", "klingon"])
def test_only_lines_and_blank_lines_end_prose(language: str) -> None:
    """Where nothing is known of the language, nothing else ends a text."""
    cursor = cursor_of(f"1) one{CURSOR}\n)\n", language)
    text = "\n  2) two (\ndef f():\n}\nreturn\n\nrest"
    generated, cause = generated_until_end(text, cursor, CompletionScope.BLOCK)
    assert ("\n  2) two (\ndef f():\n}\nreturn\n\n", StopCause.BLANK_LINES) == (
        generated,
        cause,
    )
    line, cause = generated_until_end("(a\nb", cursor, CompletionScope.STATEMENT)
    assert ("(a\n", StopCause.LINE) == (line, cause)
