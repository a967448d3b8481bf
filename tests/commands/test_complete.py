"""A completion looks the same on a terminal, in a pipe and in JSON."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.client.documents import Answer, Suggestion
from lsp_server.commands.complete import as_json, ghost_text, json_line, times
from lsp_server.commands.editing import Place
from lsp_server.outcomes import RequestTimings

TIMINGS = RequestTimings(
    ttft_ms=12.4, total_ms=30.0, prompt_tokens=40, cached_tokens=32, output_tokens=5
)


def answer(text: str, timings: RequestTimings | None = TIMINGS) -> Answer:
    """Make an answer with one suggestion, or none for an empty text."""
    suggestion = Suggestion(text=text, start=0, end=0)
    return Answer(
        suggestions=(suggestion,) if text else (),
        timings=timings,
        cancelled=False,
        round_trip_ms=31.0,
    )


@pytest.mark.parametrize(
    ("text", "offset", "suggestion", "coloured", "expected"),
    [
        ("a\nb = \nc", 6, "1", False, "b = [1]"),
        ("f()", 2, "x", False, "f([x])"),
        ("x", 1, "y", True, "x\x1b[1;32my\x1b[0m"),
        ("d:\n  ", 5, "a\n  b", False, "  [a\n  b]"),
        ("x", 1, "", False, "x[nothing to suggest]"),
        ("", 0, "é", False, "[é]"),
        ("a\rb = \rc", 6, "1", False, "b = [1]"),
        ("a\r\nb = \r\nc", 7, "1", False, "b = [1]"),
        ("a\x0cb", 3, "1", False, "a\\x0cb[1]"),
        ("\x1b[2Jx", 5, "\x9b1m", True, "\\x1b[2Jx\x1b[1;32m\\x9b1m\x1b[0m"),
        ("\u202ex", 2, "y\u2028", False, "\\u202ex[y\\u2028]"),
        ("\t👩\u200d🚀", 4, "\n", False, "\t👩\u200d🚀[\n]"),
    ],
)
def test_the_suggestion_stands_in_its_line(
    text: str,
    offset: int,
    suggestion: str,
    coloured: bool,  # noqa: FBT001 - pytest passes a case's values by name
    expected: str,
) -> None:
    """Only the cursor's line is shown, with the suggestion marked in its place.

    What a terminal would obey, in the file or the suggestion, is spelt out.
    """
    assert expected == ghost_text(text, offset, answer(suggestion), coloured=coloured)


def test_of_a_very_long_line_a_part_is_shown() -> None:
    """What stands next to the cursor."""
    shown = ghost_text("x" * 5000, 2500, answer("new"), coloured=False)
    assert f"...{'x' * 200}[new]{'x' * 200}..." == shown


def test_the_times_are_reported_in_one_line() -> None:
    """First token, total, and what the prompt was made of."""
    expected = (
        "first token 12 ms, total 31 ms, 40 prompt tokens (32 cached), 5 output tokens"
    )
    assert expected == times(answer("x"))


def test_an_empty_answer_still_has_its_time() -> None:
    """Where the server completed nothing, the round trip is shown."""
    assert "no completion, 31 ms." == times(answer("", None))


def test_an_empty_answer_says_why() -> None:
    """The server's reason stands behind the time, and in JSON by name."""
    why = replace(answer("", None), reason="Completions are switched off.")
    assert "no completion, 31 ms. Completions are switched off." == times(why)
    place = Place(path=Path("a.py"), line=1, column=1)
    assert "Completions are switched off." == as_json(place, why)["reason"]


def test_an_answer_without_a_token_says_so() -> None:
    """A request that ended before its first token has no time to it."""
    cost = RequestTimings(
        ttft_ms=None, total_ms=1.0, prompt_tokens=4, cached_tokens=0, output_tokens=0
    )
    assert times(answer("", cost)).startswith("first token no token, total")


def test_json_has_everything() -> None:
    """A tool gets the completion and each of its costs by name."""
    row = as_json(Place(path=Path("a.py"), line=2, column=3), answer("x"))
    assert {
        "file": "a.py",
        "line": 2,
        "column": 3,
        "suggestions": ["x"],
        "reason": None,
        "ttft_ms": 12.4,
        "total_ms": 30.0,
        "round_trip_ms": 31.0,
        "prompt_tokens": 40,
        "cached_tokens": 32,
        "output_tokens": 5,
        "source": "engine",
    } == row


def test_json_of_nothing_has_nulls() -> None:
    """What was not measured is null, not zero."""
    row = as_json(Place(path=Path("a.py"), line=1, column=1), answer("", None))
    assert row["ttft_ms"] is None
    assert [] == row["suggestions"]


def test_a_json_line_is_ascii_without_control_characters() -> None:
    """It reads back the same, and can go to any terminal and any locale."""
    row = {"suggestions": ["é🚀\x1b[2J\x9b\x7f\u202e\n"]}
    line = json_line(row)
    assert line.endswith("\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()
    assert row == json.loads(line)
