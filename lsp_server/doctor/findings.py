"""The result of one check, and of all of them."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Finding", "Level", "can_complete", "failure", "ok", "warning"]


class Level(enum.Enum):
    """How bad a finding is; with a failure, completion cannot work."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check.

    Attributes:
        name: The check, in one or two words.
        level: How bad it is.
        what: What was found, as a clause without a full stop.
        remedy: What to do, as a clause without a full stop; empty if all is well.
    """

    name: str
    level: Level
    what: str
    remedy: str = ""


def ok(name: str, what: str) -> Finding:
    """Return a finding where all is well."""
    return Finding(name=name, level=Level.OK, what=what)


def warning(name: str, what: str, remedy: str) -> Finding:
    """Return a finding that leaves completion possible."""
    return Finding(name=name, level=Level.WARNING, what=what, remedy=remedy)


def failure(name: str, what: str, remedy: str) -> Finding:
    """Return a finding with which completion cannot work."""
    return Finding(name=name, level=Level.FAILURE, what=what, remedy=remedy)


def can_complete(findings: Sequence[Finding]) -> bool:
    """Return whether completion can work: there is no failure."""
    return all(finding.level is not Level.FAILURE for finding in findings)
