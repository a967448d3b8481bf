"""Renders models and advice as lines for a terminal, and as JSON."""

import dataclasses
import json
from collections.abc import Iterator, Sequence

from lsp_server.modelstore.registry.catalogue import Checkpoint, Entry
from lsp_server.modelstore.registry.recommend import (
    Load,
    Machine,
    Rating,
    Verdict,
    recommended,
)

__all__ = [
    "advice_lines",
    "as_json",
    "entry_lines",
    "list_lines",
    "megabytes",
    "verdicts_json",
]

_GIB = 1 << 30
_BILLION = 1_000_000_000
_MEGABYTE = 1_000_000
_OPEN = "not known"


def as_json(entries: Sequence[Entry]) -> str:
    """Return entries as JSON, one object each; null is "not known"."""
    values = [dataclasses.asdict(entry) for entry in entries]
    return json.dumps(values, indent=2) + "\n"


def list_lines(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield a header, and one line for each model."""
    yield f"{'name':28} {'size':>7} {'context':>8} {'family':18} {'format':14} licence"
    for entry in entries:
        yield (
            f"{entry.name:28} {_size(entry.parameters):>7} "
            f"{entry.context_length:>8} {entry.family:18} "
            f"{_format(entry):14} {entry.licence}"
        )


def entry_lines(entry: Entry) -> Iterator[str]:
    """Yield everything that is known about a model, with its sources."""
    yield f"{entry.name}: {_size(entry.parameters)} parameters"
    if entry.active_parameters is not None:
        yield f"  active          {_size(entry.active_parameters)} for each token"
    yield f"  made from       {entry.base}"
    yield f"  FIM family      {entry.family}"
    yield f"  licence         {entry.licence}"
    yield f"  context         {entry.context_length} tokens"
    shape = entry.architecture
    if shape is None:
        yield f"  architecture    {_OPEN}"
    else:
        yield (
            f"  architecture    {shape.layers} layers, {shape.kv_heads} KV heads of "
            f"{shape.head_dim}, hidden size {shape.hidden_size}"
        )
    yield from _checkpoint_lines(entry.checkpoint)
    if entry.note:
        yield f"  note            {entry.note}"
    for group, address in entry.sources.items():
        yield f"  source          {group}: {address}"


def advice_lines(
    verdicts: Sequence[Verdict], machine: Machine, load: Load
) -> Iterator[str]:
    """Yield which model is recommended, and why each other one is not."""
    yield _machine_line(machine)
    yield (
        f"Asked for: {load.context_tokens} tokens of context, "
        f"{load.concurrency} requests at a time"
    )
    best = recommended(verdicts)
    yield ""
    if best is None:
        yield "No model of the registry fits this machine and what is asked for."
    else:
        yield f"Recommended: {best.entry.name} ({best.why}; {best.entry.licence})"
        yield from _need_lines(best)
        yield (
            "  It is part of this installation."
            if best.entry.shipped
            else f"  Fetch it with: midfill models pull {best.entry.name}"
        )
        yield from _settings_lines(best, machine, load)
        if best.entry.note:
            yield f"  Note: {best.entry.note}"
    yield ""
    for verdict in verdicts:
        mark = "*" if verdict is best else "+" if _fits(verdict) else "-"
        name = verdict.entry.name
        yield f"{mark} {name:28} {verdict.rating.value:11} {verdict.why}"


def verdicts_json(verdicts: Sequence[Verdict]) -> str:
    """Return verdicts as JSON, sizes in bytes."""
    best = recommended(verdicts)
    values = {
        "recommended": best and best.entry.name,
        "models": [
            {
                "name": verdict.entry.name,
                "rating": verdict.rating.value,
                "why": verdict.why,
                "need": verdict.need and dataclasses.asdict(verdict.need),
                "total_bytes": verdict.need and verdict.need.total,
            }
            for verdict in verdicts
        ],
    }
    return json.dumps(values, indent=2) + "\n"


def megabytes(count: int) -> str:
    """Return a number of bytes in megabytes, for people."""
    return f"{count / _MEGABYTE:,.1f} MB"


def _checkpoint_lines(checkpoint: Checkpoint | None) -> Iterator[str]:
    if checkpoint is None:
        return
    yield f"  checkpoint      {checkpoint.hub_id}"
    revision = checkpoint.revision or "not stated; pinned at the first pull"
    yield f"  revision        {revision}"
    group = _OPEN if checkpoint.group_size is None else str(checkpoint.group_size)
    yield (
        f"  quantisation    {checkpoint.method}, {checkpoint.bits} bits, "
        f"group size {group}"
    )
    weights = checkpoint.weights_bytes
    yield f"  weights         {megabytes(weights) if weights else _OPEN}"


def _machine_line(machine: Machine) -> str:
    if not machine.gpus:
        return (
            f"This machine: CPU with {machine.cores} cores, no GPU in use, "
            f"{machine.ram_bytes / _GIB:.1f} GiB of memory free"
        )
    return f"This machine: {machine.gpus[0]}"


def _need_lines(verdict: Verdict) -> Iterator[str]:
    need = verdict.need
    if need is None:
        return
    about = "about " if need.weights_are_estimated else ""
    yield (
        f"  weights {about}{need.weights / _GIB:.2f}, KV cache "
        f"{need.cache / _GIB:.2f}, activations {need.activations / _GIB:.2f}, "
        f"runtime and graphs {need.base / _GIB:.2f} GiB"
    )


def _settings_lines(verdict: Verdict, machine: Machine, load: Load) -> Iterator[str]:
    """Yield the settings that the estimate assumes, where they are not the defaults."""
    wanted = []
    if load.context_tokens < verdict.entry.context_length:
        wanted.append(f"engine.max_model_len = {load.context_tokens}")
    cache = verdict.need.cache if verdict.need else 0
    if not machine.gpus and cache > load.reserved_cache_bytes:
        wanted.append(f"engine.kv_cache_memory_bytes = {cache}")
    if wanted:
        yield f"  With these settings: {', '.join(wanted)}"


def _fits(verdict: Verdict) -> bool:
    return verdict.rating is Rating.FITS


def _size(parameters: int) -> str:
    if parameters < _BILLION:
        return f"{parameters / _MEGABYTE:.0f}M"
    return f"{parameters / _BILLION:.3g}B"


def _format(entry: Entry) -> str:
    if entry.shipped:
        return "shipped"
    checkpoint = entry.checkpoint
    return f"{checkpoint.method} {checkpoint.bits} bit" if checkpoint else "none known"
