"""Were the settings understood, and do they offer completions at all?"""

from collections.abc import Iterator, Sequence

from lsp_server.config import CompletionConfig
from lsp_server.doctor.finding import Finding, Level
from lsp_server.errors import ConfigError

__all__ = ["check_offered", "check_settings"]


def check_settings(problems: Sequence[ConfigError]) -> Iterator[Finding]:
    """Judge what reading the settings complained of, one by one."""
    if not problems:
        yield Finding(name="settings", level=Level.OK, what="all were understood")
    for problem in problems:
        yield Finding(
            name="settings",
            level=Level.WARNING,
            what=f"{problem.subject}: {problem.what}",
            remedy=problem.remedy[:1].lower() + problem.remedy[1:],
        )


def check_offered(config: CompletionConfig) -> Finding:
    """Judge whether an editor gets completions with these settings."""
    name = "completions"
    if not config.enabled:
        return Finding(
            name=name,
            level=Level.FAILURE,
            what="switched off",
            remedy="set completion.enabled to true",
        )
    if languages := config.disabled_languages.split():
        return Finding(
            name=name,
            level=Level.WARNING,
            what=f"switched off for {', '.join(languages)}",
            remedy="leave a language out of completion.disabled_languages to have them",
        )
    return Finding(name=name, level=Level.OK, what="offered in every language")
