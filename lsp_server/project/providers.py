"""The providers of snippets that there are."""

from collections.abc import Callable

from lsp_server.config import ContextConfig
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.definitions.provider import Definitions
from lsp_server.project.definitions.tags import defined_names
from lsp_server.project.diagnostics import Diagnostics
from lsp_server.project.index.provider import WorkspaceIndex
from lsp_server.project.open_tabs import OpenTabs
from lsp_server.project.provider import Provider
from lsp_server.project.recent_edits import RecentEdits

__all__ = ["providers"]


def providers(
    config: Callable[[], ContextConfig], *, is_remote: bool
) -> tuple[Provider, ...]:
    """Make every provider, for one connection.

    Args:
        config: Returns the settings as they are now.
        is_remote: Whether the editor is on another machine: its files are not here.
    """
    anywhere = (OpenTabs(), RecentEdits(), Diagnostics())
    if is_remote:
        return anywhere
    rules = PathRules()
    return (
        *anywhere,
        Definitions(config, rules),
        WorkspaceIndex(config, rules, defined_names=defined_names),
    )
