"""Findings become lines, JSON and a verdict."""

import json

import pytest

from lsp_server.doctor.finding import Finding, Level
from lsp_server.doctor.report import COLOURS, PLAIN, as_json, as_lines, can_complete

GOOD = Finding(name="python", level=Level.OK, what="Python 3.12.4")
ODD = Finding(name="gpu", level=Level.WARNING, what="älter", remedy="a newer one")
BAD = Finding(name="torch", level=Level.FAILURE, what="none", remedy="install it")


@pytest.mark.parametrize(
    ("findings", "works"),
    [([], True), ([GOOD], True), ([GOOD, ODD], True), ([GOOD, BAD, ODD], False)],
)
def test_only_failures_stop_completion(findings: list[Finding], works: bool) -> None:  # noqa: FBT001 - pytest passes a case's values by name
    """A warning leaves completion possible."""
    assert works == can_complete(findings)
    assert works == json.loads(as_json(findings))["can_complete"]


def test_a_good_finding_is_one_line() -> None:
    """Level, name and what was found, in columns."""
    assert "ok       python        Python 3.12.4\n" == as_lines(GOOD, PLAIN)


def test_the_remedy_stands_below() -> None:
    """What to do is a line of its own, below what was found."""
    found, remedy = as_lines(BAD, PLAIN).splitlines()
    assert "failure  torch         none" == found
    assert "-> install it" == remedy.strip()
    assert remedy.index("->") == found.index("none")


@pytest.mark.parametrize(
    ("finding", "colour"), [(GOOD, "\x1b[32m"), (ODD, "\x1b[33m"), (BAD, "\x1b[1;31m")]
)
def test_the_level_is_coloured(finding: Finding, colour: str) -> None:
    """Green, yellow or red, for the level's word alone."""
    coloured = as_lines(finding, COLOURS)
    assert coloured.startswith(f"{colour}{finding.level.value}")
    assert as_lines(finding, PLAIN) == coloured.replace(colour, "").replace(
        "\x1b[0m", ""
    )


def test_json_holds_everything() -> None:
    """Tools get the parts of each finding, in order, in any locale."""
    text = as_json([GOOD, ODD])
    assert text.isascii()
    assert "älter" == json.loads(text)["findings"][1]["what"]
    assert [
        {"name": "python", "level": "ok", "what": "Python 3.12.4", "remedy": ""},
        {"name": "gpu", "level": "warning", "what": "älter", "remedy": "a newer one"},
    ] == json.loads(text)["findings"]
