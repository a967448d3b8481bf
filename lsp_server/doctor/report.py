"""How findings are shown: lines for people, JSON for tools, an exit status for both."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lsp_server.doctor.finding import Finding, Level

__all__ = ["COLOURS", "PLAIN", "Style", "as_json", "as_lines", "can_complete"]

_NAME_WIDTH = 13
_LEVEL_WIDTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What goes before each level's word, and after it."""

    before: Mapping[Level, str]
    after: str


COLOURS = Style(
    before={
        Level.OK: "\x1b[32m",
        Level.WARNING: "\x1b[33m",
        Level.FAILURE: "\x1b[1;31m",
    },
    after="\x1b[0m",
)
PLAIN = Style(before=dict.fromkeys(Level, ""), after="")


def as_lines(finding: Finding, style: Style) -> str:
    """Show one finding: a line, and below it what to do."""
    level = finding.level.value.ljust(_LEVEL_WIDTH)
    coloured = f"{style.before[finding.level]}{level}{style.after}"
    line = f"{coloured} {finding.name.ljust(_NAME_WIDTH)} {finding.what}\n"
    if not finding.remedy:
        return line
    return f"{line}{' ' * (_LEVEL_WIDTH + _NAME_WIDTH + 2)}-> {finding.remedy}\n"


def can_complete(findings: Sequence[Finding]) -> bool:
    """Tell whether completion can work: there is no failure."""
    return all(finding.level is not Level.FAILURE for finding in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """Show all findings as one JSON object."""
    report = {
        "can_complete": can_complete(findings),
        "findings": [
            {
                "name": finding.name,
                "level": finding.level.value,
                "what": finding.what,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
    }
    return json.dumps(report, indent=2) + "\n"
