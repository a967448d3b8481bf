"""``midfill ray``: serve on a Ray of this machine or of a cluster, and look at it."""

import argparse
import dataclasses
import json
import os
import signal
import sys
import tomllib
import types
from collections.abc import Callable, Mapping
from pathlib import Path

import ray
from ray.serve.schema import ApplicationStatus

from lsp_server.access.hosts import check_listener, is_loopback
from lsp_server.access.key_ring import KeyRing
from lsp_server.commands.terminal import positive, printable
from lsp_server.config import Config
from lsp_server.errors import ConfigError
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from midfill_ray.connection import attached, connected
from midfill_ray.head_watch import wait_for_loss
from midfill_ray.options import RayOptions, parse_options
from midfill_ray.survey import Survey, survey
from midfill_ray.takeover import deploy, end

__all__ = ["add_arguments", "run"]

_LAST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    here = actions.add_parser(
        "serve", help="serve until Ctrl-C, on a Ray of its own or of a cluster"
    )
    add = here.add_argument
    add("--config", type=Path, metavar="FILE", help="a TOML file with settings")
    add("--model", help="name or folder of the model, the same on every node")
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add("--port", type=_port, default=8000, help="port to listen on (8000)")
    add("--replicas", type=positive, help="replicas that always run (1)")
    add("--max-replicas", type=positive, help="most replicas (as --replicas)")
    add(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another option of docs/ray.md, such as num_gpus=1; may be repeated",
    )
    add(
        "--replace",
        action="store_true",
        help="with --address: change what serves there, another model too, and end",
    )
    look = actions.add_parser("status", help="show the replicas and their state")
    look.add_argument("--json", action="store_true", help="print one JSON object")
    for action in (here, look):
        action.add_argument(
            "--address", help="a Ray that runs: HOST:PORT of its head, or auto"
        )
        action.add_argument(
            "--name", default="midfill", help="name of the application (midfill)"
        )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked, and return the exit status."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    actions: Mapping[str, Callable[[argparse.Namespace], int]] = {
        "serve": _serve,
        "status": _status,
    }
    return actions[arguments.action](arguments)


def _serve(arguments: argparse.Namespace) -> int:
    """Serve until a signal ends it; running requests are completed."""
    options = _options(arguments)
    if arguments.replace and arguments.address is None:
        raise ConfigError(
            "there is nothing to change on a Ray that only starts",
            subject="--replace",
            remedy="Say with --address where the Ray is: `Ready` of the first command",
        )
    with connected(arguments, options, _say):
        # Ray has taken the signal, and would abort the process three seconds after it.
        # systemd and others end the command by SIGTERM, which must do as Ctrl-C does.
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            deploy(options, arguments.name, _say)
        except KeyboardInterrupt:
            # What served under the name before goes on.
            print("Ended before it was ready.", flush=True)
            return 0
        if arguments.replace:
            _print_survey(survey(arguments.name))
            return 0
        try:
            _print_survey(survey(arguments.name))
            print(f"Ready{_places(arguments)}; Ctrl-C ends it.", flush=True)
            wait_for_loss(ray.get_runtime_context().gcs_address, _say)
        except KeyboardInterrupt:
            print("Ending: running requests are completed.", flush=True)
            end(arguments.name)
    return 0


def _say(text: str) -> None:
    """Write a sentence for whoever reads the log."""
    sys.stderr.write(printable(f"midfill ray: {text}\n"))


def _places(arguments: argparse.Namespace) -> str:
    """Return where to reach the Ray that the command has started; empty otherwise."""
    if arguments.address is not None:
        return ""
    ray_at = ray.get_runtime_context().gcs_address
    return f" at http://{arguments.host}:{arguments.port} (Ray at {ray_at})"


def _interrupt(_number: int, _frame: types.FrameType | None) -> None:
    raise KeyboardInterrupt


def _status(arguments: argparse.Namespace) -> int:
    """Show the application; return 0 if it serves, 1 otherwise."""
    with attached(arguments.address or "auto"):
        found = survey(arguments.name)
    if arguments.json:
        print(json.dumps(dataclasses.asdict(found)))
    else:
        _print_survey(found)
    return 0 if found.status == ApplicationStatus.RUNNING else 1


def _options(arguments: argparse.Namespace) -> RayOptions:
    """Return the application's options.

    Raises:
        ConfigError: One is wrong, or others would reach a server that needs no key.
    """
    given: dict[str, object] = {}
    for text in arguments.option:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(
                "it is not NAME=VALUE", subject=f"--option {text}", remedy=""
            )
        given[name] = _value_of(value)
    if arguments.replicas:
        given["min_replicas"] = arguments.replicas
        given.setdefault("max_replicas", arguments.replicas)
    if arguments.max_replicas:
        given["max_replicas"] = arguments.max_replicas
    layers = server_layers(arguments.config, arguments.model)
    resolved = resolve(layers)
    for problem in resolved.problems:
        raise problem
    # The nodes of a cluster have neither this environment nor this file.
    settings: dict[str, dict[str, object]] = {}
    for layer in layers:
        for section, entries in layer.values.items():
            if isinstance(entries, Mapping):
                settings.setdefault(section, {}).update(entries)
    if arguments.address is None:
        given["is_loopback"] = is_loopback(arguments.host)
        _check_host(arguments.host, resolved.config)
    return parse_options({"settings": settings, **given})


def _check_host(host: str, config: Config) -> None:
    """Check that it is safe to listen on an address.

    Raises:
        ConfigError: It is not.
    """
    access = config.access
    path = Path(access.keys_file).expanduser() if access.keys_file else None
    ring = KeyRing.load(path, os.environ)
    try:
        check_listener(
            host,
            has_tls=False,
            has_keys=ring.required,
            insecure=access.insecure_listen,
        )
    except ConfigError as error:
        # Ray Serve's proxy has no certificate to present.
        raise ConfigError(
            error.what,
            subject=f"--host {host}",
            remedy="Listen on an address of this machine, such as 127.0.0.1, behind a "
            "proxy with TLS, and make a key with `midfill keys create`; "
            "access.insecure_listen = true opens it to all",
        ) from error


def _value_of(text: str) -> object:
    """Read a value as TOML; what is none is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _port(text: str) -> int:
    """Read a port, for argparse.

    Raises:
        ArgumentTypeError: It is none; argparse shows the message.
    """
    number = positive(text)
    if number > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"ports end at {_LAST_PORT}")
    return number


def _print_survey(found: Survey) -> None:
    print(*map(printable, found.lines()), sep="\n", flush=True)
