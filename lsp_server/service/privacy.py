"""One connection's privacy: which documents are completed, as its settings have it."""

from lsp_server.config import PrivacyConfig
from lsp_server.outcomes import Reason
from lsp_server.privacy.document_rules import DocumentRules
from lsp_server.privacy.path_rules import Exclusion, PathRules
from lsp_server.service import reasons

__all__ = ["Privacy"]


class Privacy:
    """Applies the settings of privacy to one connection's documents.

    Args:
        config: The settings.
        is_remote: Whether the client is on another machine: no rule is read from this
            one's disk.
    """

    def __init__(self, config: PrivacyConfig, *, is_remote: bool = False) -> None:
        """Prepare the rules."""
        self._config = config
        self._documents = DocumentRules(PathRules(reads_disk=not is_remote))

    async def why_private(self, uri: str) -> Reason | None:
        """Return why a document gets no completions; None where it may have some."""
        if not self._config.ignore_rules:
            return None
        exclusion = await self._documents.exclusion(uri)
        if exclusion is Exclusion.GIT_FILE and self._config.complete_git_ignored:
            return None
        return None if exclusion is None else reasons.private(exclusion)
