"""Makes and changes the configuration of one editor's server."""

import dataclasses
import sys
from collections.abc import Sequence

from lsp_server.config import Config
from lsp_server.errors import ConfigError, ModelError
from lsp_server.modelstore.locate import locate, pulled_models_folder
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.service.backend import Backend
from lsp_server.service.local_backend import LocalBackend, starter_of
from lsp_server.setting_layers import Layer, changed_layer, editor_layer
from lsp_server.settings import resolve, settle
from lsp_server.telemetry import configure_logging

__all__ = ["LayeredConfigurator", "context_tokens_of"]

_NEEDS_RESTART = ("model", "engine", "scripted")


class LayeredConfigurator:
    """Makes and changes a server's configuration, the editor's layer on top.

    Args:
        layers: What is configured without the editor, the strongest last.
    """

    def __init__(self, layers: list[Layer]) -> None:
        """Start without an editor."""
        self._layers = layers
        self._backend: LocalBackend | None = None
        self._running = Config()
        self._wanted = Config()
        self._model_tokens: int | None = None
        self._reported: set[str] = set()

    def initialize(self, options: object) -> tuple[Backend, list[str]]:
        """Make the backend from the layers and the editor's options.

        Returns:
            The backend, and messages for the user.
        """
        self._layers = [*self._layers, editor_layer(options)]
        resolved = resolve(self._layers)
        self._model_tokens = context_tokens_of(resolved.config)
        config, conflicts = settle(
            resolved.config, Config(), model_tokens=self._model_tokens
        )
        configure_logging(config.log.level, sys.stderr)
        self._running = self._wanted = config
        self._backend = LocalBackend(config, starter_of(config.engine.kind))
        return self._backend, self._new_problems([*resolved.problems, *conflicts])

    def change(self, options: object) -> list[str]:
        """Apply the editor's new settings, but for those that need a restart.

        Until then nothing uses those. Settings for other servers are left alone.

        Returns:
            Messages for the user: problems, and what waits for the restart.
        """
        layer = changed_layer(options)
        if layer is None:
            return []
        resolved = resolve([*self._layers, layer])
        wanted, conflicts = settle(
            resolved.config, self._wanted, model_tokens=self._tokens(resolved.config)
        )
        running, more = settle(
            _kept(wanted, self._running), self._running, model_tokens=self._model_tokens
        )
        waiting = [
            section
            for section in _NEEDS_RESTART
            if getattr(self._wanted, section) != getattr(wanted, section)
        ]
        self._wanted, self._running = wanted, running
        configure_logging(running.log.level, sys.stderr)
        if self._backend is not None:
            self._backend.configure(running)
        # What is right only after the restart is no problem; one message says enough.
        related = [*conflicts, *([] if conflicts else more)]
        messages = self._new_problems([*resolved.problems, *related])
        if waiting:
            messages.append(
                f"Midfill: changed settings of {' and '.join(waiting)} take effect "
                "when the server is restarted."
            )
        return messages

    def _tokens(self, config: Config) -> int | None:
        """Return the context length of the model that a configuration names."""
        if config.model == self._running.model:
            return self._model_tokens
        return context_tokens_of(config)

    def _new_problems(self, problems: Sequence[ConfigError]) -> list[str]:
        """Make one message of the problems that were not reported yet."""
        texts = dict.fromkeys(map(str, problems))
        new = [problem for problem in texts if problem not in self._reported]
        self._reported.update(new)
        if not new:
            return []
        listed = "\n".join(f"- {problem}" for problem in new)
        return [f"Midfill runs without some of your settings:\n{listed}"]


def context_tokens_of(config: Config) -> int | None:
    """Return the context length of the configured model; None where it is not found.

    Loading it reports why.
    """
    pulled = pulled_models_folder(config.registry.folder)
    try:
        folder = locate(config.model.path, pulled=pulled)
        return load_manifest(folder).context_length
    except ModelError:
        return None


def _kept(wanted: Config, running: Config) -> Config:
    """Return ``wanted`` with what needs a restart as it runs."""
    kept = {section: getattr(running, section) for section in _NEEDS_RESTART}
    return dataclasses.replace(wanted, **kept)
