"""Were the settings understood?"""

from collections.abc import Sequence

from lsp_server.doctor.finding import Finding, Level

__all__ = ["check_settings"]


def check_settings(problems: Sequence[object]) -> Finding:
    """Judge what reading the settings complained of."""
    if not problems:
        return Finding(name="settings", level=Level.OK, what="all were understood")
    return Finding(
        name="settings",
        level=Level.WARNING,
        what="; ".join(str(problem).rstrip(".") for problem in problems),
        remedy="correct them; until then their defaults count",
    )
