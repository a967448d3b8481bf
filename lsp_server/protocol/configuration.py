"""What the protocol layer asks of whoever reads the settings.

This layer hands over what the editor sent, as it came, and shows what is wrong.
"""

from typing import Protocol

from lsp_server.service.backend import Backend

__all__ = ["Configurator"]


class Configurator(Protocol):
    """Turns what an editor sends into a server's configuration."""

    def initialize(self, options: object) -> tuple[Backend, list[str]]:
        """Make the server's backend from ``initializationOptions``.

        Called once, before the backend is started. Bad options never raise: they come
        back as messages for the user, and the backend runs on what is left.

        Args:
            options: The raw JSON value; None if the editor sent none.
        """
        ...

    def change(self, options: object) -> list[str]:
        """Apply ``settings`` of ``workspace/didChangeConfiguration``.

        Returns messages for the user. Never called before ``initialize``.
        """
        ...
