"""``midfill serve --listen``: the server of a team, for editors on other machines."""

import argparse
from typing import NoReturn

from lsp_server.daemon.listen import run_listen
from lsp_server.setting_layers import Layer, server_layers

__all__ = ["serve_team"]


def serve_team(arguments: argparse.Namespace) -> NoReturn:
    """Serve a team, and end the process; the command line goes before the settings."""
    layers = server_layers(arguments.config, arguments.model)
    run_listen([*layers, _team_layer(arguments)])


def _team_layer(arguments: argparse.Namespace) -> Layer:
    """Return what the command line says of a team server."""
    listen = {
        "address": arguments.listen or None,
        "tcp_address": arguments.listen_tcp,
        "tls_certificate": arguments.tls_certificate,
        "tls_key": arguments.tls_key,
    }
    values: dict[str, object] = {"listen": listen}
    if arguments.insecure_without_tls_or_keys:
        values["access"] = {"insecure_listen": True}
    return Layer(place="command line", values=values)
