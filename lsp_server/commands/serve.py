"""``midfill serve``: the language server on stdin and stdout."""

import argparse
import sys
from functools import partial
from pathlib import Path

from lsp_server.protocol.server import run_stdio
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["add_arguments", "run"]


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
    """Serve one editor, and return the exit status."""
    layers = server_layers(arguments.config, arguments.model)
    log_to_stderr = partial(configure_logging, stream=sys.stderr)
    log_to_stderr(resolve(layers).config.log.level)
    return run_stdio(LayeredConfigurator(layers, set_log_level=log_to_stderr))
