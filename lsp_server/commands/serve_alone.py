"""The language server with an engine of its own, for one editor."""

import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

from lsp_server.history.store import EventStore, events_folder
from lsp_server.protocol.server import run_stdio
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["serve_alone"]


def serve_alone(
    config_file: Path | None, model: str | None, *, ahead: bytes, why: str
) -> NoReturn:
    """Serve one editor on stdin and stdout, and end the process.

    Args:
        config_file: The file that the command line names.
        model: The model that the command line names.
        ahead: What was read from the editor before.
        why: Why this is not the daemon, for the user; empty where none is wanted.
    """
    layers = server_layers(config_file, model)
    log_to_stderr = partial(configure_logging, stream=sys.stderr)
    log_to_stderr(resolve(layers).config.log.level)
    notices = [f"Midfill loads an engine for this editor alone: {why}"] if why else []
    configurator = LayeredConfigurator(
        layers, notices=notices, set_log_level=log_to_stderr
    )
    run_stdio(configurator, ahead, store=EventStore(events_folder()))
