"""Which model fits a machine, and why the larger ones do not."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lsp_server.config import Device
from lsp_server.engine.vllm_build import LEAST_CAPABILITY, unsupported_quantisation
from lsp_server.hardware import Gpu
from lsp_server.modelstore.registry.entry import Entry
from lsp_server.modelstore.registry.memory import Load, Need, memory_need

__all__ = ["Machine", "Rating", "Verdict", "judge", "recommended"]

_GIB = 1 << 30

_CORE_BYTES_PER_S = 5e9
"""What one core reads of memory while it decodes; a rule of thumb, not measured."""

_LEAST_TOKENS_PER_S = 10.0
"""Slower than this, a line takes longer than somebody waits."""

_CPU_SHARE = 0.8
"""Of the free memory: the editor and the rest of the machine live from it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is to run a model on; with a GPU, the first one is looked at.

    Attributes:
        gpus: The GPUs.
        gpu_share: Share of a GPU's memory that the engine may take.
        ram_bytes: Free main memory.
        cores: Physical cores.
    """

    gpus: tuple[Gpu, ...]
    gpu_share: float
    ram_bytes: int
    cores: int

    @property
    def device(self) -> str:
        """``cuda`` or ``cpu``, in vLLM's words."""
        return "cuda" if self.gpus else "cpu"

    @property
    def budget_bytes(self) -> int:
        """What a model may take in all."""
        if not self.gpus:
            return int(self.ram_bytes * _CPU_SHARE)
        first = self.gpus[0]
        return min(int(first.total_bytes * self.gpu_share), first.free_bytes)


class Rating(enum.Enum):
    """How a model and a machine go together."""

    FITS = "fits"
    TOO_LARGE = "too large"
    TOO_SHORT = "too short"
    TOO_SLOW = "too slow"
    CANNOT_RUN = "cannot run"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One model on one machine.

    Attributes:
        entry: The model.
        rating: How they go together.
        why: The reason, as a clause.
        need: What it takes; None where that cannot be counted.
    """

    entry: Entry
    rating: Rating
    why: str
    need: Need | None


def judge(
    entries: Sequence[Entry],
    machine: Machine,
    load: Load,
    *,
    weights_bytes: Mapping[str, int],
) -> tuple[Verdict, ...]:
    """Judge every model, smallest first.

    Args:
        entries: The models.
        machine: What they would run on.
        load: What would be asked of them.
        weights_bytes: Sizes of weights that are on disk, by model.
    """
    return tuple(
        _judge(entry, machine, load, weights_bytes.get(entry.name))
        for entry in sorted(entries, key=lambda entry: entry.parameters)
    )


def recommended(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the largest model that fits; None where none does.

    A checkpoint of the model's own makers comes before anybody else's of any size.
    """
    fitting = [v for v in verdicts if v.rating is Rating.FITS]
    return max(
        fitting,
        key=lambda v: (_is_makers_own(v.entry), v.entry.parameters),
        default=None,
    )


def _is_makers_own(entry: Entry) -> bool:
    if entry.checkpoint is None:
        return entry.shipped
    return entry.checkpoint.hub_id.partition("/")[0] == entry.base.partition("/")[0]


def _judge(entry: Entry, machine: Machine, load: Load, on_disk: int | None) -> Verdict:
    need = memory_need(entry, load, device=machine.device, weights_bytes=on_disk)
    rating, why = _rate(entry, machine, load, need)
    return Verdict(entry=entry, rating=rating, why=why, need=need)


def _rate(
    entry: Entry, machine: Machine, load: Load, need: Need | None
) -> tuple[Rating, str]:
    if reason := _obstacle(entry, machine):
        return Rating.CANNOT_RUN, reason
    if load.context_tokens > entry.context_length:
        known = f"knows {entry.context_length:,} tokens of context"
        return Rating.TOO_SHORT, f"{known}, {load.context_tokens:,} are asked for"
    if need is None:
        return Rating.UNKNOWN, "no source gives the figures that memory depends on"
    budget = machine.budget_bytes
    what = f"needs {need.total / _GIB:.1f} GiB of {budget / _GIB:.1f} GiB"
    if need.total > budget:
        return Rating.TOO_LARGE, what
    if machine.gpus:
        return Rating.FITS, what
    speed = _tokens_per_s(entry, need, machine)
    what = f"{what}, at best {speed:.0f} tokens/s on {machine.cores} cores"
    return (Rating.FITS if speed >= _LEAST_TOKENS_PER_S else Rating.TOO_SLOW), what


def _obstacle(entry: Entry, machine: Machine) -> str:
    """Say what keeps the engine from running it at all; empty for nothing."""
    if machine.gpus and machine.gpus[0].capability < LEAST_CAPABILITY:
        return "4-bit kernels need compute capability 7.5 or more"
    if entry.shipped:
        return ""
    if entry.checkpoint is None:
        return "no GPTQ checkpoint is known; make one with `midfill quantize`"
    if not machine.gpus and entry.active_parameters is not None:
        return "there is no 4-bit kernel for experts on a CPU"
    return unsupported_quantisation(entry.checkpoint, Device(machine.device)) or ""


def _tokens_per_s(entry: Entry, need: Need, machine: Machine) -> float:
    """Estimate decoding on a CPU, which reads every active weight for each token."""
    share = (entry.active_parameters or entry.parameters) / entry.parameters
    return machine.cores * _CORE_BYTES_PER_S / (need.weights * share)
