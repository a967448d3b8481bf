"""What one check found."""

import enum
from dataclasses import dataclass

__all__ = ["Finding", "Level"]


class Level(enum.Enum):
    """How bad a finding is; with a failure, completion cannot work."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

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
