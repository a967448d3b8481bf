"""The providers of snippets that there are."""

from lsp_server.project.open_tabs import OpenTabs
from lsp_server.project.provider import Provider

__all__ = ["providers"]


def providers() -> tuple[Provider, ...]:
    """Make every provider, for one connection."""
    return (OpenTabs(),)
