"""``midfill daemon``: start, stop, watch and read the log of the shared process."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from lsp_server.commands.daemon_display import start_warnings
from lsp_server.commands.daemon_status import (
    show_status,
    status_of,
    team_server_name,
)
from lsp_server.commands.terminal import positive, printable
from lsp_server.daemon.dial import (
    LOOK_EVERY_S,
    Reached,
    Starting,
    ask,
    connect,
    log_path,
)
from lsp_server.daemon.endpoint import Endpoint, find_endpoint
from lsp_server.daemon.hello import Hello, Purpose
from lsp_server.daemon.lock import holder, is_held
from lsp_server.errors import ConfigError, DaemonError

__all__ = ["add_arguments", "run"]

_STOP_TIMEOUT_S = 60.0
"""For a daemon that has answered, which first completes what it has begun."""

_HANG_TIMEOUT_S = 10.0
"""For one that has not."""

_FOLLOW_EVERY_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    start = actions.add_parser("start", help="start the daemon, and load its engine")
    start.add_argument(
        "--foreground",
        action="store_true",
        help="run in the foreground and log to stderr, for containers and systemd",
    )
    start.add_argument(
        "--log-file",
        type=Path,
        metavar="FILE",
        help="with --foreground: log to this file and rotate it",
    )
    # What `serve` starts has the lock already, and loads what its editor wants.
    start.add_argument("--lock-fd", type=int, help=argparse.SUPPRESS)
    start.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    actions.add_parser("stop", help="stop the daemon and its engines")
    restart = actions.add_parser(
        "restart", help="stop the daemon if it runs, and start it"
    )
    for action in (start, restart):
        action.add_argument(
            "--config", type=Path, metavar="FILE", help="a TOML file with settings"
        )
    status = actions.add_parser(
        "status",
        help="show the engines, their memory and the connected editors, or the team "
        "server in the daemon's place",
    )
    status.add_argument("--json", action="store_true", help="print one JSON object")
    logs = actions.add_parser("logs", help="show the log of the background daemon")
    logs.add_argument(
        *("-f", "--follow"), action="store_true", help="keep printing new lines"
    )
    logs.add_argument(
        *("-n", "--lines"),
        type=positive,
        default=50,
        metavar="N",
        help="how many of the last lines to show (default: 50)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked, and return the exit status."""
    actions: Mapping[str, Callable[[argparse.Namespace], int]] = {
        "start": _start,
        "stop": _stop,
        "restart": _restart,
        "status": lambda given: show_status(as_json=given.json),
        "logs": _logs,
    }
    return actions[arguments.action](arguments)


def _start(arguments: argparse.Namespace) -> int:
    """Start the daemon, here or in the background."""
    if arguments.lock_fd is None:
        # An editor's own file may be missing; then its log says so.
        _check_config(arguments.config)
    if not arguments.foreground:
        return _start_in_background(find_endpoint(), arguments.config)
    return _start_here(arguments)


def _start_here(arguments: argparse.Namespace) -> NoReturn:
    """Run the daemon in this process."""
    is_handed_on = arguments.lock_fd is not None
    # Not below the process that an editor has started, and may kill with all its tree.
    if is_handed_on and os.fork():
        os._exit(0)
    # Seconds of imports that no other action needs.
    from lsp_server.daemon.run import run_daemon  # noqa: PLC0415

    run_daemon(
        config_file=arguments.config,
        log_path=arguments.log_file,
        lock_fd=arguments.lock_fd,
        loads=arguments.load or not is_handed_on,
    )


def _start_in_background(endpoint: Endpoint, config_file: Path | None) -> int:
    """Start a daemon, and wait until it listens."""
    starting = Starting(endpoint, config_file=config_file, loads=True)
    status = status_of(starting.wait)
    word = "started" if starting.has_started else "running already"
    print(f"Midfill's daemon is {word}: process {status.process_id}.")
    unread = None if starting.has_started else config_file
    for warning in start_warnings(status, unread=unread, team=team_server_name()):
        sys.stderr.write(printable(f"midfill daemon: warning: {warning}") + "\n")
    return 0


def _check_config(path: Path | None) -> None:
    """Refuse a configuration file that is not there, before anything is ended.

    Raises:
        ConfigError: There is no such file.
    """
    if path is not None and not path.is_file():
        raise ConfigError(
            "there is no such file",
            subject=str(path),
            remedy="Name a TOML file with settings in --config",
        )


def _stop(_arguments: argparse.Namespace) -> int:
    """End the daemon."""
    stopped = _end(find_endpoint(), Purpose.STOP)
    print("Midfill's daemon is stopped." if stopped else "No daemon is running.")
    return 0


def _restart(arguments: argparse.Namespace) -> int:
    """End the daemon if there is one, and start it."""
    _check_config(arguments.config)
    endpoint = find_endpoint()
    _end(endpoint, Purpose.RESTART)
    return _start_in_background(endpoint, arguments.config)


def _logs(arguments: argparse.Namespace) -> int:
    """Show the end of the log, and what is added to it."""
    path = log_path(find_endpoint())
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        raise DaemonError(
            "there is no log: no daemon has run in the background yet",
            subject=str(path),
            remedy="One that runs in the foreground logs to its own stderr",
        ) from None
    for line in lines[-arguments.lines :]:
        print(printable(line))
    if arguments.follow:
        sys.stdout.flush()
        for text in _added(path):
            sys.stdout.write(printable(text))
            sys.stdout.flush()
    return 0


def _added(path: Path) -> Iterator[str]:
    """Yield what is added to a log, and to the one that takes its place; no end."""
    while True:
        with path.open(encoding="utf-8", errors="replace") as file:
            opened = os.fstat(file.fileno()).st_ino
            file.seek(0, os.SEEK_END)
            while True:
                if text := file.read():
                    yield text
                    continue
                time.sleep(_FOLLOW_EVERY_S)
                if path.exists() and path.stat().st_ino != opened:
                    break


def _end(endpoint: Endpoint, purpose: Purpose) -> bool:
    """End the daemon, by force if it does not answer; return whether there was one.

    Raises:
        DaemonError: It does not end.
    """
    dialled = connect(endpoint)
    if dialled is None and not is_held(endpoint.lock_path):
        return False
    process_id = _holder_in(endpoint.lock_path, _HANG_TIMEOUT_S)
    timeout_s = _STOP_TIMEOUT_S
    if dialled is None or not _has_agreed(dialled, purpose):
        _signal(process_id, signal.SIGTERM)
        timeout_s = _HANG_TIMEOUT_S
    if not _is_free_in(endpoint.lock_path, timeout_s):
        _signal(process_id, signal.SIGKILL)
        if not _is_free_in(endpoint.lock_path, 1.0):
            raise DaemonError(
                "it does not end",
                subject=f"the daemon, process {process_id or 'unknown'}",
                remedy=f"End the process that holds {endpoint.lock_path}",
            )
    return True


def _has_agreed(dialled: Reached, purpose: Purpose) -> bool:
    """Ask the daemon to end; return whether it has answered."""
    try:
        ask(dialled, lambda token: Hello(purpose=purpose, token=token))
    except DaemonError:
        return False
    return True


def _is_free_in(lock_path: Path, timeout_s: float) -> bool:
    """Wait until the daemon's lock is free; return whether it is."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if not is_held(lock_path):
            return True
        time.sleep(LOOK_EVERY_S)
    return False


def _holder_in(lock_path: Path, timeout_s: float) -> int | None:
    """Return the daemon's process; one that has just begun needs time to say so."""
    until_s = time.monotonic() + timeout_s
    while (found := holder(lock_path)) is None and is_held(lock_path):
        if time.monotonic() > until_s:
            break
        time.sleep(LOOK_EVERY_S)
    return found


def _signal(process_id: int | None, number: signal.Signals) -> None:
    """Send a signal to the process that holds the lock, if it is known."""
    if process_id is not None:
        try:
            os.kill(process_id, number)
        except ProcessLookupError:
            return
