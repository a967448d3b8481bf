"""The registry of models, ``registry.toml``: what is known of each, with its sources.

None always means "not known".
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import PositiveInt, TypeAdapter

from lsp_server.errors import RegistryError
from lsp_server.modelstore.locate import DATA_FOLDER
from lsp_server.modelstore.manifest import Sha256
from lsp_server.modelstore.model_files import ShapeError, matching, validate
from lsp_server.prompt.families import FAMILIES

__all__ = [
    "REGISTRY_PATH",
    "Architecture",
    "Checkpoint",
    "Entry",
    "find_entry",
    "load_registry",
]

REGISTRY_PATH = DATA_FOLDER / "registry.toml"

_Name: TypeAlias = Annotated[
    str, matching("[a-z0-9][a-z0-9.-]*", "a plain lower-case name")
]
_HubId: TypeAlias = Annotated[
    str, matching("[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", "an owner and a name")
]
_Commit: TypeAlias = Annotated[str, matching("[0-9a-f]{40}", "a full commit")]
_Method: TypeAlias = Annotated[str, matching("gptq|awq", "gptq or awq")]
_Licence: TypeAlias = Annotated[str, matching("(?s).+", "a licence")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The figures that memory depends on.

    Attributes:
        layers: Transformer layers.
        kv_heads: Heads of keys and values in each layer.
        head_dim: Width of one head.
        hidden_size: Width of the residual stream.
        vocabulary: Rows of the embedding.
        latent_width: Values that each token leaves in each layer's cache, where
            that is not two times heads times width (multi-head latent attention).
    """

    layers: int
    kv_heads: int
    head_dim: int
    hidden_size: int
    vocabulary: int | None = None
    latent_width: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Quantised weights that can be fetched.

    Attributes:
        hub_id: Owner and name of the repository on the hub.
        revision: A full commit; None pins the newest at first use.
        method: ``gptq`` or ``awq``.
        bits: Bits per weight.
        group_size: Weights that share a scale.
        sym: Whether the zero point is the middle of the range.
        desc_act: Whether groups follow the activations' order.
        weights_bytes: Size of all safetensors, as rounded by the source.
        sha256: Hashes of files that a source states.
    """

    hub_id: _HubId
    revision: _Commit | None = None
    method: _Method
    bits: int
    group_size: int | None = None
    sym: bool | None = None
    desc_act: bool | None = None
    weights_bytes: int | None = None
    sha256: Mapping[str, Sha256] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model.

    Attributes:
        name: Its name here, also that of the folder that it is fetched into.
        family: The FIM family, as in the registry of prompts.
        base: The repository of the unquantised model.
        parameters: Number of weights, as rounded by the source.
        active_parameters: Those that one token passes through; None for all.
        licence: SPDX expression, or the licence's own name.
        context_length: Most tokens of prompt and output together.
        shipped: Whether the model is part of the installation.
        note: What a user must know before choosing it; empty for nothing.
        architecture: The figures for memory.
        checkpoint: What `pull` fetches; None where no GPTQ or AWQ one is known.
        sources: Group of facts to the address of the page they were taken from.
    """

    name: _Name
    family: str
    base: str
    parameters: PositiveInt
    active_parameters: int | None = None
    licence: _Licence
    context_length: PositiveInt
    shipped: bool = False
    note: str = ""
    architecture: Architecture | None = None
    checkpoint: Checkpoint | None = None
    sources: Mapping[str, str]


_ADAPTER = TypeAdapter(Entry)


def load_registry(path: Path = REGISTRY_PATH) -> tuple[Entry, ...]:
    """Read every entry, smallest model first.

    Raises:
        RegistryError: The file cannot be read, or an entry is wrong; the message
            names the entry and the key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise _unusable(path, f"it cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise _unusable(path, f"it is not TOML ({exc})") from exc
    if raw.keys() != {"model"} or not isinstance(raw["model"], list):
        raise _unusable(path, "it is not a list of [[model]] tables")
    entries = [_parse(path, item) for item in raw["model"]]
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise _unusable(path, f"the name {name!r} is there twice")
    return tuple(sorted(entries, key=lambda entry: entry.parameters))


def find_entry(entries: Sequence[Entry], name: str) -> Entry:
    """Return the entry of exactly this name.

    Raises:
        RegistryError: There is none; the message lists the names that there are.
    """
    for entry in entries:
        if entry.name == name:
            return entry
    raise RegistryError(
        "the registry has no model of this name",
        subject=repr(name),
        remedy="Choose one of " + ", ".join(entry.name for entry in entries),
    )


def _parse(path: Path, raw: object) -> Entry:
    name = raw.get("name", "?") if isinstance(raw, dict) else "?"
    try:
        entry = validate(_ADAPTER, raw)
    except ShapeError as exc:
        raise _unusable(path, f"model {name}: {exc}") from exc
    for key, is_kept, expected in _rules(entry):
        if not is_kept:
            raise _unusable(path, f"model {name}: the key {key!r} is not {expected}")
    return entry


def _rules(entry: Entry) -> Iterator[tuple[str, bool, str]]:
    """Yield each rule that no type states: a key, whether it is kept, what is right."""
    yield "family", entry.family in FAMILIES, "a family that Midfill knows"
    yield "sources", bool(entry.sources), "a table of addresses"
    for group, address in entry.sources.items():
        is_good = address.startswith("https://") or entry.shipped
        yield f"sources.{group}", is_good, "an https address"
    if entry.checkpoint is not None:
        yield "sources.checkpoint", "checkpoint" in entry.sources, "there"


def _unusable(path: Path, what: str) -> RegistryError:
    return RegistryError(
        f"the registry cannot be used: {what}",
        subject=str(path),
        remedy="Correct the entry, or install Midfill again",
    )
