"""``midfill models``: list, compare, check and fetch models."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from lsp_server.commands.display import download_meter
from lsp_server.commands.models_display import (
    advice_lines,
    as_json,
    entry_lines,
    list_lines,
    megabytes,
    verdicts_json,
)
from lsp_server.commands.terminal import positive
from lsp_server.config import Config, Device
from lsp_server.doctor.torch import ask_torch
from lsp_server.engine.vllm_build import build_device, installed_vllm
from lsp_server.engine.vllm_options import reserved_cache_bytes
from lsp_server.errors import PullError
from lsp_server.hardware import free_memory_bytes, read_cpu
from lsp_server.modelstore.locate import locate, pulled_models_folder, shipped_models
from lsp_server.modelstore.manifest import MANIFEST_NAME, load_manifest
from lsp_server.modelstore.registry.catalogue import Entry, find_entry, load_registry
from lsp_server.modelstore.registry.pull import PullJob, find_local, pull
from lsp_server.modelstore.registry.recommend import Load, Machine, judge
from lsp_server.modelstore.registry.s3 import S3
from lsp_server.modelstore.registry.transport import AllowList, Transport, Web
from lsp_server.modelstore.verify import hash_file, verify
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve

__all__ = ["add_arguments", "machine_of", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the models of the registry")
    listing.add_argument("--json", action="store_true", help="print JSON")
    show = actions.add_parser("show", help="show what is known of a model")
    show.add_argument("name", metavar="NAME")
    show.add_argument("--json", action="store_true", help="print JSON")
    check = actions.add_parser("verify", help="check a model's files by their hashes")
    check.add_argument("name", metavar="NAME|FOLDER")
    advice = actions.add_parser("recommend", help="say which model fits this machine")
    advice.add_argument(
        "--context",
        type=positive,
        default=2048,
        metavar="TOKENS",
        help="prompt and output of one request (default: 2048)",
    )
    advice.add_argument(
        "--concurrency",
        type=positive,
        default=4,
        metavar="N",
        help="requests at a time (default: 4)",
    )
    advice.add_argument("--json", action="store_true", help="print JSON")
    fetch = actions.add_parser("pull", help="fetch a model")
    fetch.add_argument("name", metavar="NAME")
    fetch.add_argument(
        "--from",
        dest="base",
        default="",
        metavar="URL",
        help="the address of a model folder with a manifest.json, instead of the hub: "
        "https://HOST/FOLDER, or s3://BUCKET/FOLDER with endpoint, region and "
        "credentials from the AWS environment variables or configuration files",
    )
    fetch.add_argument(
        "--offline",
        action="store_true",
        help="use no network: succeed only if the model is there",
    )
    for action in (check, advice, fetch):
        action.add_argument(
            "--config", type=Path, metavar="FILE", help="a TOML file with settings"
        )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked, and return the exit status."""
    actions: Mapping[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "show": _show,
        "verify": _verify,
        "recommend": _recommend,
        "pull": _pull,
    }
    return actions[arguments.action](arguments)


def machine_of(config: Config) -> Machine:
    """Return the facts about this machine that the engine would use."""
    device = config.engine.device
    if device is Device.AUTO:
        device = build_device(installed_vllm())
    gpus = ask_torch(device).gpus if device is Device.CUDA else ()
    return Machine(
        gpus=gpus,
        gpu_share=config.engine.gpu_memory_utilization,
        ram_bytes=free_memory_bytes(),
        cores=read_cpu().physical_cores,
    )


def _list(arguments: argparse.Namespace) -> int:
    entries = load_registry()
    if arguments.json:
        _print(as_json(entries))
    else:
        _write(list_lines(entries))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    entry = find_entry(load_registry(), arguments.name)
    if arguments.json:
        _print(as_json([entry]))
    else:
        _write(entry_lines(entry))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    folder = _folder_of(arguments.name, _config(arguments))
    manifest = load_manifest(folder)
    verify(folder, manifest)
    digest = hash_file(folder / MANIFEST_NAME)
    total = sum(entry.bytes for entry in manifest.files.values())
    _print(
        f"{folder}: whole; {len(manifest.files)} files, {megabytes(total)}, "
        f"every hash is that of the manifest, whose own SHA-256 is {digest}\n"
    )
    return 0


def _recommend(arguments: argparse.Namespace) -> int:
    config = _config(arguments)
    entries = load_registry()
    machine = machine_of(config)
    device = Device.CUDA if machine.gpus else Device.CPU
    load = Load(
        context_tokens=arguments.context,
        concurrency=arguments.concurrency,
        reserved_cache_bytes=reserved_cache_bytes(config.engine, device),
    )
    root = pulled_models_folder(config.registry.folder)
    verdicts = judge(
        entries, machine, load, weights_bytes=_weights_on_disk(entries, root)
    )
    if arguments.json:
        _print(verdicts_json(verdicts))
    else:
        _write(advice_lines(verdicts, machine, load))
    return 0


def _pull(arguments: argparse.Namespace) -> int:
    config = _config(arguments)
    name: str = arguments.name
    if name in shipped_models() and not arguments.base:
        _print(f"{locate(name)}\n")
        return 0
    entry = _entry_for(name, arguments.base)
    job = PullJob(
        name=name,
        entry=entry,
        root=_pull_folder(config),
        hub=config.registry.hub.rstrip("/"),
        base=arguments.base,
    )
    if arguments.offline:
        folder = _require_local(job)
    else:
        transport = _transport(config, arguments.base)
        with download_meter() as meter:
            folder = pull(job, transport, say=_say, progress=meter)
    # A shipped model of the same name takes precedence.
    path = folder if name in shipped_models() else name
    _say(f"to use it, set model.path to {path}")
    _print(f"{folder}\n")
    return 0


def _transport(config: Config, base: str) -> Transport:
    """Return the transport for the source's protocol."""
    allowed = AllowList(places=config.registry.sources.split())
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


def _folder_of(name: str, config: Config) -> Path:
    """Return the folder of a shipped or fetched model, or the named folder."""
    folder = pulled_models_folder(config.registry.folder)
    return locate(name, pulled=folder)


def _pull_folder(config: Config) -> Path:
    folder = pulled_models_folder(config.registry.folder)
    if folder is None:
        raise PullError(
            "this user has no home to keep models in",
            subject="registry.folder",
            remedy="Set it to a folder",
        )
    return folder


def _weights_on_disk(entries: Sequence[Entry], root: Path | None) -> dict[str, int]:
    folders = {entry.name: root / entry.name for entry in entries if root}
    sizes = {}
    for name, folder in (folders | shipped_models()).items():
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        if size:
            sizes[name] = size
    return sizes


def _config(arguments: argparse.Namespace) -> Config:
    resolved = resolve(server_layers(arguments.config))
    for problem in resolved.problems:
        _say(str(problem))
    return resolved.config


def _say(sentence: str) -> None:
    sys.stderr.write(f"midfill models: {sentence}\n")


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _print(text: str) -> None:
    sys.stdout.write(text)
