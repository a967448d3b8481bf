"""``midfill serve``: the language server of one editor, or of a team.

On stdin and stdout it attaches to the daemon, unless the setting ``daemon.mode`` or the
machine wants an engine of this process's own. Nothing that takes time is loaded before
that is known.
"""

import argparse
import os
from pathlib import Path
from typing import NoReturn

from lsp_server.client.attached_process import EventLog
from lsp_server.client.daemon_link import Attempt
from lsp_server.client.forwarder import Forwarder, OwnEngine
from lsp_server.client.wire import FramedWire
from lsp_server.daemon.dial import LOOK_EVERY_S, Reached, Starting, connect
from lsp_server.daemon.endpoint import find_endpoint
from lsp_server.daemon.hello import Hello, Origin, Purpose
from lsp_server.errors import ConfigError
from lsp_server.raw_settings import DaemonMode, daemon_mode, own_value

__all__ = ["add_arguments", "run"]

_OF_A_TEAM = (
    "listen-tcp",
    "tls-certificate",
    "tls-key",
    "insecure-without-tls-or-keys",
)


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
    """Serve one editor or a team, and return the exit status.

    Raises:
        ConfigError: Options are given that only a team's server has.
    """
    if arguments.stdio:
        _refuse_options_of_a_team(arguments)
    else:
        _serve_team(arguments)
    config_file: Path | None = arguments.config
    if daemon_mode(config_file) is DaemonMode.NEVER:
        # Most likely the editor wants nothing else: load while it writes.
        _load_server()
    log = EventLog(own_value("log", "level", config_file))
    if own_value("daemon", "url", config_file):
        if arguments.model:
            why = "the team server has its own"
            log.write("model.ignored", level="warning", why=why)
        forwarder = _to_team_server(config_file, log)
    else:
        dialling = _Dialling(config_file, arguments.model)
        forwarder = Forwarder(
            dialling, lambda options: daemon_mode(config_file, options), log
        )
    served = forwarder.run()
    if isinstance(served, OwnEngine):
        _serve_alone(arguments, served)
    return served


def _refuse_options_of_a_team(arguments: argparse.Namespace) -> None:
    """Check that no option is given that would have no effect.

    Raises:
        ConfigError: One is.
    """
    for option in _OF_A_TEAM:
        if getattr(arguments, option.replace("-", "_")):
            raise ConfigError(
                "this option has no effect with --stdio",
                subject=f"--{option}",
                remedy="Leave it out, or serve a team with --listen",
            )


def _to_team_server(config_file: Path | None, log: EventLog) -> Forwarder:
    """Return what forwards to a team server."""
    from lsp_server.client.team_dialling import TeamDialling  # noqa: PLC0415 - a tenth of a second that others do without
    from lsp_server.client.team_server import TeamSettings  # noqa: PLC0415 - as above

    settings = TeamSettings.of_user(config_file)

    def mode_of(options: object) -> DaemonMode:
        # Who names a team server wants no engine of this machine's instead.
        is_never = daemon_mode(config_file, options) is DaemonMode.NEVER
        return DaemonMode.NEVER if is_never else DaemonMode.REQUIRE

    return Forwarder(TeamDialling(settings), mode_of, log, settings.words)


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

    def watch(self) -> FramedWire | None:
        """Connect to a daemon that listens; None where none does.

        Raises:
            DaemonError: What is there cannot be trusted.
        """
        return self.greeting(connect(find_endpoint()))

    def start(self) -> Attempt:
        """Return an attempt that starts the daemon if there is none.

        Raises:
            DaemonError: There is no place for a daemon.
        """
        return _Attempt(Starting(find_endpoint(), config_file=self._config_file), self)

    def greeting(self, reached: Reached | None) -> FramedWire | None:
        """Return a connection on which the hello is said; None where there is none.

        Raises:
            DaemonError: The hello is too long.
        """
        if reached is None:
            return None
        hello = Hello(purpose=Purpose.EDITOR, token=reached.token, origin=self._origin)
        return FramedWire(reached.connection, hello.line())


class _Attempt:
    """Connects to a daemon that is starting.

    Args:
        starting: Starts it if there is none.
        dialling: Says the hello.
    """

    def __init__(self, starting: Starting, dialling: _Dialling) -> None:
        self._starting = starting
        self._dialling = dialling

    def look(self) -> FramedWire | None:
        """Return a connection, if the daemon listens by now.

        Raises:
            DaemonError: It does not start, or cannot be trusted.
        """
        return self._dialling.greeting(self._starting.look())

    def pause_s(self) -> float:
        """Return in how many seconds to look again."""
        return LOOK_EVERY_S


def _load_server() -> None:
    """Load what a server with an engine of its own is made of."""
    import lsp_server.commands.serve_alone  # noqa: F401, PLC0415 - half a second that an attached server does without


def _serve_alone(arguments: argparse.Namespace, own: OwnEngine) -> NoReturn:
    """Serve the editor with an engine of this process's own."""
    from lsp_server.commands.serve_alone import serve_alone  # noqa: PLC0415 - as above

    serve_alone(arguments.config, arguments.model, ahead=own.ahead, why=own.why)


def _serve_team(arguments: argparse.Namespace) -> NoReturn:
    """Serve a team; the command line goes before the settings."""
    from lsp_server.daemon.listen import run_listen  # noqa: PLC0415 - it loads what no editor's own server needs
    from lsp_server.setting_layers import Layer, server_layers  # noqa: PLC0415 - as above

    listen = {
        "address": arguments.listen or None,
        "tcp_address": arguments.listen_tcp,
        "tls_certificate": arguments.tls_certificate,
        "tls_key": arguments.tls_key,
    }
    values: dict[str, object] = {"listen": listen}
    if arguments.insecure_without_tls_or_keys:
        values["access"] = {"insecure_listen": True}
    layers = server_layers(arguments.config, arguments.model)
    run_listen([*layers, Layer(place="command line", values=values)])
