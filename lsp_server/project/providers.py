"""The providers of snippets that there are."""

from lsp_server.project.diagnostics import Diagnostics
from lsp_server.project.open_tabs import OpenTabs
from lsp_server.project.provider import Provider
from lsp_server.project.recent_edits import RecentEdits

__all__ = ["providers"]


def providers() -> tuple[Provider, ...]:
    """Make every provider, for one connection."""
    return (OpenTabs(), RecentEdits(), Diagnostics())
