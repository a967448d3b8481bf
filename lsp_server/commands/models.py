"""``midfill models``: lists, compares and checks models."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from lsp_server.commands.model_transfer import (
    TRANSFERS,
    add_transfers,
    config_of,
    folder_of,
)
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
from lsp_server.hardware import free_memory_bytes, read_cpu
from lsp_server.modelstore.locate import pulled_models_folder, shipped_models
from lsp_server.modelstore.manifest import MANIFEST_NAME, load_manifest
from lsp_server.modelstore.registry.catalogue import Entry, find_entry, load_registry
from lsp_server.modelstore.registry.recommend import Load, Machine, judge
from lsp_server.modelstore.signature import Trust
from lsp_server.modelstore.verify import hash_file, verify

__all__ = ["add_arguments", "machine_of", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the models of the registry")
    listing.add_argument("--json", action="store_true", help="print JSON")
    show = actions.add_parser("show", help="show what is known of a model")
    show.add_argument("name", metavar="NAME", help="as `midfill models list` shows it")
    show.add_argument("--json", action="store_true", help="print JSON")
    check = actions.add_parser(
        "verify", help="check the files of a model against its manifest"
    )
    check.add_argument(
        "name",
        metavar="NAME|FOLDER",
        help="a shipped or pulled model, or a model folder",
    )
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
    for action in (check, advice, *add_transfers(actions)):
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
        **TRANSFERS,
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
    config = config_of(arguments)
    folder = folder_of(arguments.name, config)
    Trust.of(config.models).check_folder(folder)
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
    config = config_of(arguments)
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


def _weights_on_disk(entries: Sequence[Entry], root: Path | None) -> dict[str, int]:
    folders = {entry.name: root / entry.name for entry in entries if root}
    sizes = {}
    for name, folder in (folders | shipped_models()).items():
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        if size:
            sizes[name] = size
    return sizes


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _print(text: str) -> None:
    sys.stdout.write(text)
