"""``midfill serve``: the language server of one editor, or of a team.

On stdin and stdout it attaches to the daemon, unless the setting ``daemon.mode`` or the
machine wants an engine of this process's own. Nothing that takes time is loaded before
that is known.
"""

import argparse
import os
from pathlib import Path
from typing import NoReturn

from lsp_server.client.daemon_link import Attempt, Dialled
from lsp_server.client.event_log import EventLog
from lsp_server.client.forwarder import Forwarder, OwnEngine
from lsp_server.daemon.dial import Reached, Starting, connect
from lsp_server.daemon.endpoint import find_endpoint
from lsp_server.daemon.hello import Hello, Origin, Purpose
from lsp_server.raw_settings import DaemonMode, daemon_mode, raw_values

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--stdio",
        action="store_true",
        help="serve the editor on stdin and stdout",
    )
    where.add_argument(
        "--listen",
        nargs="?",
        const="",
        metavar="HOST:PORT",
        help="serve a team: LSP over the websocket /lsp, and the REST API "
        "(the setting listen.address)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with settings"
    )
    parser.add_argument(
        "--model",
        metavar="NAME|FOLDER",
        help="a shipped or pulled model, or a model folder (the setting model.path)",
    )
    team = parser.add_argument_group("with --listen")
    team.add_argument(
        "--listen-tcp",
        metavar="HOST:PORT",
        help="LSP over TCP as well (the setting listen.tcp_address)",
    )
    team.add_argument(
        "--tls-certificate",
        metavar="FILE",
        help="a PEM file (the setting listen.tls_certificate)",
    )
    team.add_argument(
        "--tls-key",
        metavar="FILE",
        help="a PEM file (the setting listen.tls_key)",
    )
    team.add_argument(
        "--insecure-without-tls-or-keys",
        action="store_true",
        help="listen even where others can read what is sent, or use the server "
        "without a key (the setting access.insecure_listen)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve one editor or a team, and return the exit status."""
    if not arguments.stdio:
        from lsp_server.commands.serve_team import serve_team  # noqa: PLC0415 - it loads what no editor's own server needs

        serve_team(arguments)
    config_file: Path | None = arguments.config
    if daemon_mode(config_file) is DaemonMode.NEVER:
        # Most likely the editor wants nothing else: load while it writes.
        _load_server()
    level = next((each for each in raw_values("log", "level", config_file) if each), "")
    forwarder = Forwarder(
        _Dialling(config_file, arguments.model),
        lambda options: daemon_mode(config_file, options),
        EventLog(level),
    )
    served = forwarder.run()
    if isinstance(served, OwnEngine):
        _serve_alone(arguments, served)
    return served


class _Dialling:
    """Finds the daemon of this version and installation.

    Args:
        config_file: The TOML file that the command line names.
        model: The model that the command line names.
    """

    def __init__(self, config_file: Path | None, model: str | None) -> None:
        self._config_file = config_file
        self._origin = Origin.of_process(
            os.environ, config_file=config_file, model=model
        )

    def watch(self) -> Dialled | None:
        """Connect to a daemon that listens; None where none does.

        Raises:
            DaemonError: What is there cannot be trusted.
        """
        return self._greeting(connect(find_endpoint()))

    def start(self) -> Attempt:
        """Return an attempt that starts the daemon if there is none.

        Raises:
            DaemonError: There is no place for a daemon.
        """
        starting = Starting(find_endpoint(), config_file=self._config_file)
        return lambda: self._greeting(starting.look())

    def _greeting(self, reached: Reached | None) -> Dialled | None:
        """Return a connection with the hello that is to be said on it."""
        if reached is None:
            return None
        hello = Hello(purpose=Purpose.EDITOR, token=reached.token, origin=self._origin)
        return Dialled(connection=reached.connection, hello=hello.line())


def _load_server() -> None:
    """Load what a server with an engine of its own is made of."""
    import lsp_server.commands.serve_alone  # noqa: F401, PLC0415 - half a second that an attached server does without


def _serve_alone(arguments: argparse.Namespace, own: OwnEngine) -> NoReturn:
    """Serve the editor with an engine of this process's own."""
    from lsp_server.commands.serve_alone import serve_alone  # noqa: PLC0415 - as above

    serve_alone(arguments.config, arguments.model, ahead=own.ahead, why=own.why)
