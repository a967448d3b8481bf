"""``midfill models pull|push|sign|keygen``: models between machines."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from lsp_server.commands.display import download_meter
from lsp_server.commands.terminal import printable
from lsp_server.config import Config
from lsp_server.errors import ModelError, PullError
from lsp_server.modelstore.locate import locate, pulled_models_folder, shipped_models
from lsp_server.modelstore.manifest import MANIFEST_NAME, load_manifest
from lsp_server.modelstore.registry.allow_list import AllowList
from lsp_server.modelstore.registry.catalogue import Entry, find_entry, load_registry
from lsp_server.modelstore.registry.pull import PullJob, find_local, pull
from lsp_server.modelstore.registry.push import PushJob, push
from lsp_server.modelstore.registry.s3 import S3
from lsp_server.modelstore.registry.transport import Transport, Web
from lsp_server.modelstore.signature import Trust, read_signature, sign_folder, signed
from lsp_server.modelstore.signing_key import SigningKey
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve

# Only type checkers can subscript it.
if TYPE_CHECKING:
    Actions = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no public name

__all__ = ["TRANSFERS", "add_transfers", "config_of", "folder_of"]

_CREDENTIALS = (
    "endpoint, region and credentials come from the AWS environment variables or "
    "configuration files"
)
_MODEL = "a shipped or pulled model, or a model folder"


def add_transfers(actions: "Actions") -> list[argparse.ArgumentParser]:
    """Declare these actions, and return those that read settings."""
    fetch = actions.add_parser("pull", help="fetch a model")
    fetch.add_argument(
        "name",
        metavar="NAME|URL",
        help="a model of the registry, or the address of a model folder with a "
        f"manifest.json: https://HOST/FOLDER, or s3://BUCKET/FOLDER; {_CREDENTIALS}",
    )
    fetch.add_argument(
        "--name",
        dest="as_name",
        default="",
        metavar="NAME",
        help="the name for the model of a URL (default: the URL's last part)",
    )
    fetch.add_argument(
        "--from",
        dest="base",
        default="",
        metavar="URL",
        help="`pull NAME --from URL` is `pull URL --name NAME`",
    )
    fetch.add_argument(
        "--update",
        action="store_true",
        help="ask the source again, and replace the model that is there if the source "
        "has another one now; an unchanged one is not fetched again",
    )
    fetch.add_argument(
        "--keep-on-failure",
        action="store_true",
        help="if an update fails, warn, keep the model that is there, and succeed",
    )
    fetch.add_argument(
        "--offline",
        action="store_true",
        help="use no network: succeed only if the model is there",
    )
    send = actions.add_parser("push", help="write a model to a store")
    send.add_argument("name", metavar="NAME|FOLDER", help=_MODEL)
    send.add_argument(
        "base",
        metavar="s3://BUCKET/FOLDER",
        help=f"a folder of the model's own; {_CREDENTIALS}",
    )
    send.add_argument(
        "--replace",
        action="store_true",
        help="replace another model that is in that folder",
    )
    sign = actions.add_parser("sign", help="sign the manifest of a model folder")
    sign.add_argument("name", metavar="NAME|FOLDER", help=_MODEL)
    for action, is_required in ((send, False), (sign, True)):
        action.add_argument(
            "--key",
            type=Path,
            required=is_required,
            metavar="FILE",
            help="sign with the private key in this file, see `midfill models keygen`",
        )
    make = actions.add_parser("keygen", help="make a key pair to sign models with")
    make.add_argument(
        "key",
        type=Path,
        metavar="FILE",
        help="a new file for the private key; the public one is printed",
    )
    return [fetch, send, sign]


def config_of(arguments: argparse.Namespace) -> Config:
    """Return the settings, and print what is wrong with them."""
    resolved = resolve(server_layers(arguments.config))
    for problem in resolved.problems:
        _say(str(problem))
    return resolved.config


def folder_of(name: str, config: Config) -> Path:
    """Return the folder of a shipped or fetched model, or the named folder."""
    folder = pulled_models_folder(config.registry.folder)
    return locate(name, pulled=folder)


def _pull(arguments: argparse.Namespace) -> int:
    config = config_of(arguments)
    name, base = _name_and_base(arguments)
    if name in shipped_models() and not base:
        _print(f"{locate(name)}\n")
        return 0
    job = PullJob(
        name=name,
        entry=_entry_for(name, base),
        root=_pull_folder(config),
        hub=config.registry.hub.rstrip("/"),
        base=base,
        trust=Trust.of(config.models),
        update=arguments.update,
    )
    if arguments.offline:
        folder = _require_local(job)
    else:
        folder = _fetched(job, config, keep=arguments.keep_on_failure)
    # A shipped model of the same name takes precedence.
    path = folder if name in shipped_models() else name
    _say(f"to use it, set model.path to {path}")
    _print(f"{folder}\n")
    return 0


def _push(arguments: argparse.Namespace) -> int:
    config = config_of(arguments)
    folder = folder_of(arguments.name, config)
    # Before anything is signed that is no model.
    load_manifest(folder)
    signature = read_signature(folder)
    if arguments.key is not None:
        manifest = (folder / MANIFEST_NAME).read_bytes()
        signature = signed(manifest, SigningKey.read(arguments.key), signature)
    job = PushJob(
        folder=folder,
        base=arguments.base,
        signature=signature,
        trust=Trust.of(config.models),
        replace=arguments.replace,
    )
    store = S3(_allowed(config))
    with download_meter() as meter:
        push(job, store, say=_say, progress=meter)
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    folder = folder_of(arguments.name, config_of(arguments))
    if folder in shipped_models().values():
        raise PullError(
            "it is part of the installation, which is not changed",
            subject=str(folder),
            remedy="Sign it when you push it, with --key",
        )
    load_manifest(folder)
    key = SigningKey.read(arguments.key)
    sign_folder(folder, key)
    _say(f"{folder} is signed with {key.public}")
    return 0


def _keygen(arguments: argparse.Namespace) -> int:
    key = SigningKey.make(arguments.key)
    _say(
        f"{arguments.key} holds the private key: keep it secret. "
        "The public key, for models.trusted_keys:"
    )
    _print(f"{key.public}\n")
    return 0


TRANSFERS: Mapping[str, Callable[[argparse.Namespace], int]] = MappingProxyType(
    {"pull": _pull, "push": _push, "sign": _sign, "keygen": _keygen}
)
"""What does each of these actions."""


def _fetched(job: PullJob, config: Config, *, keep: bool) -> Path:
    """Pull; where that fails, return the folder that is there if ``keep`` says so."""
    try:
        with download_meter() as meter:
            transport = _transport(config, job.base)
            return pull(job, transport, say=_say, progress=meter)
    except (ModelError, PullError) as exc:
        folder = _kept(job) if keep else None
        if folder is None:
            raise
        _say(f"warning: the model that is there is kept, as the pull failed: {exc}")
        return folder


def _kept(job: PullJob) -> Path | None:
    """Return the folder of the model that is there; None if it cannot be used."""
    try:
        return find_local(job)
    except (ModelError, PullError):
        return None


def _name_and_base(arguments: argparse.Namespace) -> tuple[str, str]:
    """Return the model's name here, and the address of its folder; empty for the hub.

    Raises:
        PullError: There are two names or two addresses.
    """
    name, base = arguments.name, arguments.base
    if "://" in name:
        if base:
            raise PullError(
                "two addresses are given", subject="--from", remedy="Leave it out"
            )
        base = name.rstrip("/")
        return arguments.as_name or base.rpartition("/")[2], base
    if arguments.as_name:
        raise PullError(
            "the model has a name already",
            subject="--name",
            remedy="Leave it out, or name an address instead of a model",
        )
    return name, base


def _allowed(config: Config) -> AllowList:
    return AllowList(places=config.registry.sources.split())


def _transport(config: Config, base: str) -> Transport:
    """Return the transport for the source's protocol."""
    allowed = _allowed(config)
    return S3(allowed) if base.startswith("s3://") else Web(allowed)


def _entry_for(name: str, base: str) -> Entry | None:
    """Return the registry's entry; a source with a manifest can do without one."""
    entries = load_registry()
    if base:
        return next((entry for entry in entries if entry.name == name), None)
    return find_entry(entries, name)


def _require_local(job: PullJob) -> Path:
    folder = find_local(job)
    if folder is None:
        raise PullError(
            "the model is not there, and --offline forbids to fetch it",
            subject=str(job.root / job.name),
            remedy="Pull it once without --offline, or copy its folder there",
        )
    return folder


def _pull_folder(config: Config) -> Path:
    folder = pulled_models_folder(config.registry.folder)
    if folder is None:
        raise PullError(
            "this user has no home to keep models in",
            subject="registry.folder",
            remedy="Set it to a folder",
        )
    return folder


def _say(sentence: str) -> None:
    sys.stderr.write(printable(f"midfill models: {sentence}\n"))


def _print(text: str) -> None:
    sys.stdout.write(text)
