"""Which settings an editor on another machine may make."""

import enum
from collections.abc import Callable, Mapping

from lsp_server.config import Config
from lsp_server.service.backend import Backend, Configurator
from lsp_server.setting_layers import Layer, changed_layer, editor_layer

__all__ = ["RemoteConfigurator"]

_OF_THE_EDITOR = ("completion", "context", "prompt")
_CAPPED = frozenset(
    {
        ("completion", "candidates"),
        ("completion", "max_line_tokens"),
        ("completion", "max_block_tokens"),
        ("completion", "max_document_chars"),
        ("completion", "max_line_chars"),
        ("prompt", "max_prompt_tokens"),
    }
)
"""Settings that cost the server something: its own are the most."""


class RemoteConfigurator:
    """Lets an editor choose what is its own, within what the server's settings allow.

    Model, engine and everything else of the server's are left alone: a path would be
    one of the server's machine.

    Args:
        inner: Configures the connection.
        server: The server's settings.
        charged: Puts the key's limits round a backend.
    """

    def __init__(
        self,
        inner: Configurator,
        server: Config,
        charged: Callable[[Backend], Backend],
    ) -> None:
        self._inner = inner
        self._server = server
        self._charged = charged

    def initialize(self, options: object) -> tuple[Backend, list[str]]:
        """Make the backend from what the editor may set of its options."""
        allowed, refused = self._allowed(editor_layer(options), options)
        backend, messages = self._inner.initialize(allowed)
        return self._charged(backend), [*messages, *refused]

    def change(self, options: object) -> list[str]:
        """Apply what the editor may set of its new settings."""
        layer = changed_layer(options)
        if layer is None:
            return []
        allowed, refused = self._allowed(layer, options)
        return [*self._inner.change({"midfill": allowed}), *refused]

    def _allowed(self, layer: Layer, options: object) -> tuple[object, list[str]]:
        """Return what the editor may set, and a message about the rest."""
        if layer.problems:
            # The server says what is wrong with it.
            return options, []
        allowed: dict[str, object] = {}
        refused: list[str] = []
        for section, entries in layer.values.items():
            if not isinstance(entries, Mapping):
                allowed[section] = entries
                continue
            kept = {}
            for key, value in entries.items():
                if self._may(section, str(key), value):
                    kept[key] = value
                elif _differs(value, _held(self._server, section, str(key))):
                    refused.append(f"{section}.{key}")
            if kept:
                allowed[section] = kept
        if not refused:
            return allowed, []
        names = ", ".join(sorted(refused))
        message = (
            f"Midfill: this server is shared, and its own settings hold for {names}."
        )
        return allowed, [message]

    def _may(self, section: str, key: str, value: object) -> bool:
        """Return whether an editor may set this."""
        held = _held(self._server, section, key)
        # What does not exist is left for the check of settings, which says so.
        if section not in _OF_THE_EDITOR:
            return not hasattr(self._server, section)
        if (section, key) == ("completion", "deadline_ms"):
            return not isinstance(held, int) or held == 0 or _within(value, held)
        return (section, key) not in _CAPPED or _within(value, held)


def _held(server: Config, section: str, key: str) -> object:
    """Return a setting of the server's; None if there is none."""
    value: object = getattr(getattr(server, section, None), key, None)
    return value.value if isinstance(value, enum.Enum) else value


def _within(value: object, held: object) -> bool:
    """Return whether a number is at most the server's; others are checked later."""
    if not isinstance(value, int) or not isinstance(held, int):
        return True
    return 0 < value <= held


def _differs(value: object, held: object) -> bool:
    """Return whether a value is set, and another than the one that holds."""
    return value is not None and value != held
