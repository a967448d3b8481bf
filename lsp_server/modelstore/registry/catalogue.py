"""Reads ``registry.toml``: absent facts become None, all else that is wrong is told."""

import dataclasses
import re
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args, get_type_hints

from lsp_server.errors import RegistryError
from lsp_server.modelstore.locate import DATA_FOLDER
from lsp_server.modelstore.registry.entry import Entry
from lsp_server.modelstore.strict import ShapeError, build
from lsp_server.prompt.families import FAMILIES

__all__ = ["REGISTRY_PATH", "find_entry", "load_registry"]

REGISTRY_PATH = DATA_FOLDER / "registry.toml"

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_HUB_ID = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_METHODS = ("gptq", "awq")
_DEFAULTS: Mapping[str, object] = {"shipped": False, "note": "", "sha256": {}}


def load_registry(path: Path = REGISTRY_PATH) -> tuple[Entry, ...]:
    """Read every entry, smallest model first.

    Raises:
        RegistryError: The file cannot be read, or an entry is not one; the message
            names the entry and the key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise _bad(path, f"it cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise _bad(path, f"it is not TOML ({exc})") from exc
    if raw.keys() != {"model"} or not isinstance(raw["model"], list):
        raise _bad(path, "it is not a list of [[model]] tables")
    entries = [_entry(path, item) for item in raw["model"]]
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise _bad(path, f"the name {name!r} is there twice")
    return tuple(sorted(entries, key=lambda entry: entry.parameters))


def find_entry(entries: Sequence[Entry], name: str) -> Entry:
    """Give the entry of exactly this name.

    Raises:
        RegistryError: There is none; the message lists those that there are.
    """
    for entry in entries:
        if entry.name == name:
            return entry
    raise RegistryError(
        "the registry has no model of this name",
        subject=repr(name),
        remedy="Choose one of " + ", ".join(entry.name for entry in entries),
    )


def _entry(path: Path, raw: object) -> Entry:
    name = raw.get("name", "?") if isinstance(raw, dict) else "?"
    try:
        entry = build(Entry, _with_gaps(Entry, raw))
    except ShapeError as exc:
        raise _bad(path, f"model {name}: {exc}") from exc
    for key, is_good, expected in _rules(entry):
        if not is_good:
            raise _bad(path, f"model {name}: the key {key!r} is not {expected}")
    return entry


def _with_gaps(cls: type[object], raw: object) -> object:
    """Write what is absent and may be, as None or as its default."""
    if not isinstance(raw, dict):
        return raw
    filled = dict(raw)
    for key, hint in get_type_hints(cls).items():
        choices = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if key not in filled and types.NoneType in choices:
            filled[key] = None
        elif key not in filled and key in _DEFAULTS:
            filled[key] = _DEFAULTS[key]
        for choice in choices:
            if isinstance(choice, type) and dataclasses.is_dataclass(choice):
                filled[key] = _with_gaps(choice, filled.get(key))
    return filled


def _rules(entry: Entry) -> Iterator[tuple[str, bool, str]]:
    """Give each rule as key, whether it holds, and what would be right."""
    yield "name", bool(_NAME.fullmatch(entry.name)), "a plain lower-case name"
    yield "family", entry.family in FAMILIES, "a family that Midfill knows"
    yield "parameters", entry.parameters > 0, "a positive number"
    yield "context_length", entry.context_length > 0, "a positive number"
    yield "licence", bool(entry.licence), "a licence"
    yield "sources", bool(entry.sources), "a table of addresses"
    for group, address in entry.sources.items():
        good = address.startswith("https://") or entry.shipped
        yield f"sources.{group}", good, "an https address"
    checkpoint = entry.checkpoint
    if checkpoint is None:
        return
    yield (
        "checkpoint.hub_id",
        bool(_HUB_ID.fullmatch(checkpoint.hub_id)),
        "an owner and a name",
    )
    yield "checkpoint.method", checkpoint.method in _METHODS, "gptq or awq"
    revision = checkpoint.revision
    yield (
        "checkpoint.revision",
        revision is None or bool(_COMMIT.fullmatch(revision)),
        "a full commit",
    )
    yield "sources.checkpoint", "checkpoint" in entry.sources, "there"
    yield (
        "checkpoint.sha256",
        all(_SHA256.fullmatch(value) for value in checkpoint.sha256.values()),
        "made of SHA-256 hashes",
    )


def _bad(path: Path, what: str) -> RegistryError:
    return RegistryError(
        f"the registry cannot be used: {what}",
        subject=str(path),
        remedy="Correct the entry, or install Midfill again",
    )
