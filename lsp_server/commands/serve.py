"""``midfill serve``: the language server on stdin and stdout."""

import argparse
import os
import sys
from pathlib import Path

from lsp_server.protocol.server import run_stdio
from lsp_server.service.backend import Backend
from lsp_server.service.local_backend import LocalBackend, starter_of
from lsp_server.settings import (
    Layer,
    config_path,
    editor_layer,
    environment_layer,
    file_layer,
    resolve,
)
from lsp_server.telemetry import configure_logging

__all__ = ["LayeredConfigurator", "add_arguments", "run", "server_layers"]

_NEEDS_RESTART = ("model", "engine", "scripted")


class LayeredConfigurator:
    """Makes and changes a server's configuration, the editor's layer on top.

    Args:
        layers: What is configured without the editor, the strongest last.
    """

    def __init__(self, layers: list[Layer]) -> None:
        """Begin without an editor."""
        self._layers = layers
        self._backend: LocalBackend | None = None
        self._resolved = resolve(layers)
        self._told: set[str] = set()

    def initialize(self, options: object) -> tuple[Backend, list[str]]:
        """Make the backend from the layers and the editor's options."""
        self._layers = [*self._layers, editor_layer(options)]
        self._resolved = resolve(self._layers)
        config = self._resolved.config
        configure_logging(config.log.level, sys.stderr)
        self._backend = LocalBackend(config, starter_of(config.engine.kind))
        return self._backend, self._new_problems()

    def change(self, options: object) -> list[str]:
        """Apply the editor's new settings; say which of them wait for a restart."""
        before = self._resolved.config
        self._resolved = resolve([*self._layers, editor_layer(options)])
        config = self._resolved.config
        configure_logging(config.log.level, sys.stderr)
        if self._backend is not None:
            self._backend.configure(config)
        waiting = [
            section
            for section in _NEEDS_RESTART
            if getattr(before, section) != getattr(config, section)
        ]
        messages = self._new_problems()
        if waiting:
            messages.append(
                f"Midfill: changed settings of {' and '.join(waiting)} take effect "
                "when the server is restarted."
            )
        return messages

    def _new_problems(self) -> list[str]:
        """Make one message of the problems that were not told yet."""
        problems = dict.fromkeys(map(str, self._resolved.problems))
        new = [problem for problem in problems if problem not in self._told]
        self._told.update(new)
        if not new:
            return []
        told = "\n".join(f"- {problem}" for problem in new)
        return [f"Midfill runs without some of your settings:\n{told}"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--stdio",
        action="store_true",
        required=True,
        help="speak LSP on stdin and stdout (the one transport there is)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with settings"
    )
    parser.add_argument(
        "--model",
        metavar="NAME|FOLDER",
        help="a shipped or pulled model, or a model folder (the setting model.path)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve one editor, and give the exit status."""
    layers = server_layers(arguments.config, arguments.model)
    configure_logging(resolve(layers).config.log.level, sys.stderr)
    return run_stdio(LayeredConfigurator(layers))


def server_layers(config_file: Path | None, model: str | None = None) -> list[Layer]:
    """Give what is configured outside of an editor: file, environment, command line."""
    path = config_file or config_path(os.environ)
    files = [file_layer(path)] if path else []
    named = [Layer(place="--model", values={"model": {"path": model}})] if model else []
    return [*files, environment_layer(os.environ), *named]
