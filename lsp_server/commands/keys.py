"""``midfill keys``: make, list and revoke API keys."""

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lsp_server.access.key_file import (
    KeyLines,
    change,
    default_key_file,
    parse_lines,
    read,
)
from lsp_server.access.key_ring import KEYS_VARIABLE
from lsp_server.access.keys import (
    Route,
    StoredKey,
    digest_of,
    new_key_id,
    new_secret,
    parse_line,
    time_text,
)
from lsp_server.commands.keys_display import key_lines
from lsp_server.commands.terminal import positive, positive_number, printable
from lsp_server.errors import KeyFileError
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve

__all__ = ["add_arguments", "run"]

_DAY_S = 86_400
_MOST_DAYS = 36_500

_CHOOSABLE = [each.value for each in Route if each not in {Route.HEALTH, Route.OTHER}]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key, and print it this once")
    create.add_argument("name", metavar="NAME", help="who or what the key is for")
    _add_limits(create)
    create.add_argument(
        "--days",
        type=_days,
        default=0,
        metavar="N",
        help="how many days the key is valid (default: until it is revoked)",
    )
    create.add_argument(
        "--line",
        action="store_true",
        help=f"store nothing: print to stderr the line to put into the variable "
        f"{KEYS_VARIABLE}, or into the key file of another machine",
    )
    listing = actions.add_parser("list", help="list the keys, and what each may use")
    listing.add_argument("--json", action="store_true", help="print JSON lines")
    revoke = actions.add_parser("revoke", help="make a key invalid")
    revoke.add_argument("key", metavar="ID|NAME", help="as `keys list` shows it")
    for action in (create, listing, revoke):
        action.add_argument(
            "--file",
            type=Path,
            metavar="FILE",
            help="the key file, instead of the setting access.keys_file",
        )
        action.add_argument(
            "--config", type=Path, metavar="FILE", help="a TOML file with settings"
        )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked, and return the exit status."""
    actions: Mapping[str, Callable[[argparse.Namespace], int]] = {
        "create": _create,
        "list": _list,
        "revoke": _revoke,
    }
    return actions[arguments.action](arguments)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """Declare what a key can be limited to."""
    parser.add_argument(
        "--rate",
        type=positive_number,
        default=0.0,
        metavar="N",
        help="requests per second on average (default: no limit)",
    )
    parser.add_argument(
        "--burst",
        type=positive,
        default=0,
        metavar="N",
        help="requests that may come at once (default: two seconds' worth)",
    )
    parser.add_argument(
        "--concurrency",
        type=positive,
        default=0,
        metavar="N",
        help="requests in progress at the same time (default: no limit)",
    )
    parser.add_argument(
        "--tokens-per-day",
        type=positive,
        default=0,
        metavar="N",
        help="tokens of prompts and answers in 24 hours (default: no limit)",
    )
    parser.add_argument(
        "--model",
        dest="models",
        action="append",
        default=[],
        metavar="NAME",
        help="a model that the key may use; may be repeated (default: all)",
    )
    parser.add_argument(
        "--route",
        dest="routes",
        action="append",
        default=[],
        choices=_CHOOSABLE,
        help="a part of the API that the key may use; may be repeated (default: all)",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="for clients that send rendered FIM prompts: sentinels in a prompt of "
        "this key count as sentinels",
    )


def _create(arguments: argparse.Namespace) -> int:
    secret = new_secret()
    stored = _stored(arguments, secret)

    def add(held: KeyLines) -> Sequence[StoredKey]:
        names = {each.name for each in held.keys if each.ends_s > time.time()}
        if stored.name in names:
            raise KeyFileError(
                "there is a key of this name",
                subject=stored.name,
                remedy="Revoke it first, or use another name",
            )
        return [stored]

    if arguments.line:
        sys.stderr.write(f"{stored.line}\n")
    else:
        path = _path(arguments)
        change(path, add)
        sys.stderr.write(
            f"Key {stored.id} for {stored.name} is in {path}. This is the only time "
            "that it is shown:\n"
        )
        _warn_of_the_variable()
    sys.stdout.write(f"{secret}\n")
    return 0


def _stored(arguments: argparse.Namespace, secret: str) -> StoredKey:
    """Make what is stored of a new key.

    Raises:
        KeyFileError: The name or a number is not accepted.
    """
    stored = StoredKey(
        id=new_key_id(),
        name=arguments.name,
        sha256=digest_of(secret).hex(),
        created=time_text(time.time()),
        expires=time_text(time.time() + arguments.days * _DAY_S)
        if arguments.days
        else "",
        requests_per_s=arguments.rate,
        burst=arguments.burst,
        concurrent=arguments.concurrency,
        tokens_per_day=arguments.tokens_per_day,
        models=tuple(arguments.models),
        routes=tuple(Route(each) for each in arguments.routes),
        raw=arguments.raw,
    )
    try:
        return parse_line(stored.line, subject="the new key")
    except KeyFileError as error:
        raise KeyFileError(
            error.what,
            subject=error.subject,
            remedy="A name has 1 to 64 letters, digits, spaces and .@+:/_- and begins "
            "with a letter or a digit; no number is above 1,000,000,000",
        ) from None


def _list(arguments: argparse.Namespace) -> int:
    held = _held(arguments)
    for problem in held.problems:
        sys.stderr.write(printable(f"midfill keys: {problem}\n"))
    if arguments.json:
        for stored in held.keys:
            fields = json.loads(stored.line)
            del fields["sha256"]
            sys.stdout.write(json.dumps(fields, ensure_ascii=False) + "\n")
        return 0
    for line in key_lines(held.keys, now_s=time.time()):
        sys.stdout.write(f"{line}\n")
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    path = _path(arguments)
    revoked: list[StoredKey] = []

    def end(held: KeyLines) -> Sequence[StoredKey]:
        wanted = arguments.key
        found = [
            each
            for each in held.keys
            if each.id == wanted or (each.name == wanted and each.ends_s > time.time())
        ]
        if len(found) != 1:
            raise KeyFileError(
                "there is no such key" if not found else "several keys have this name",
                subject=wanted,
                remedy=f"Use an id of `midfill keys list` ({path})",
            )
        if not found[0].revoked:
            revoked.append(
                dataclasses.replace(found[0], revoked=time_text(time.time()))
            )
        return revoked

    change(path, end)
    for stored in revoked:
        sys.stderr.write(
            f"Key {stored.id} for {stored.name} is revoked; running servers see that "
            "within a second of the next request.\n"
        )
    if not revoked:
        sys.stderr.write("It was revoked before.\n")
    _warn_of_the_variable()
    return 0


def _held(arguments: argparse.Namespace) -> KeyLines:
    """Return the keys of the file; empty if there is none."""
    path = _path(arguments)
    try:
        text, _ = read(path)
    except FileNotFoundError:
        text = ""
    return parse_lines(text, place=str(path))


def _path(arguments: argparse.Namespace) -> Path:
    """Return the key file that is meant.

    Raises:
        KeyFileError: None is named, and this user has no home.
    """
    if arguments.file:
        return Path(arguments.file)
    resolved = resolve(server_layers(arguments.config))
    for problem in resolved.problems:
        sys.stderr.write(printable(f"midfill keys: {problem}\n"))
    named = resolved.config.access.keys_file
    path = Path(named) if named else default_key_file()
    if path is None:
        raise KeyFileError(
            "this user has no home to keep keys in",
            subject="access.keys_file",
            remedy="Set it to a file, or name one with --file",
        )
    return path


def _warn_of_the_variable() -> None:
    """Say that servers started in this environment do not read the file."""
    if os.environ.get(KEYS_VARIABLE, "").strip():
        sys.stderr.write(
            f"{KEYS_VARIABLE} is set here: a server with this variable reads it "
            "instead of the file.\n"
        )


def _days(text: str) -> int:
    """Read a number of days that no calendar is too short for."""
    days = positive(text)
    if days > _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"it is more than {_MOST_DAYS}")
    return days
