"""Which models fit a machine: their memory, their speed, and the reasons why not.

What the registry states of a model is counted; what it leaves open is estimated, and
marked so.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lsp_server.config import Device
from lsp_server.engine.vllm_build import LEAST_CAPABILITY, unsupported_quantisation
from lsp_server.hardware import Gpu
from lsp_server.modelstore.registry.catalogue import Architecture, Entry

__all__ = [
    "Load",
    "Machine",
    "Need",
    "Rating",
    "Verdict",
    "judge",
    "memory_need",
    "recommended",
]

_GIB = 1 << 30

_CACHE_BYTES = 2
"""Keys and values are kept in 16 bits."""

_BLOCK_TOKENS = 32
"""A request takes whole blocks of the cache; on a GPU they are half as large."""

_ACTIVATION_WIDTHS = 16
"""Values that are alive for one token of a prefill, in hidden widths: residual,
queries, keys, values, and a gated layer of about five widths, twice over."""

_PREFILL_TOKENS = 2048
"""Tokens of one scheduler step, vLLM's usual default."""

_BASE_BYTES = {"cuda": 3 << 29, "cpu": 1 << 30}
"""CUDA context, libraries and graphs; on a CPU, the Python process. Rules of thumb."""

_SCALE_BYTES = 2.5
"""A 16-bit scale and a packed zero point for each group."""

_USUAL_GROUP = 128

_CORE_BYTES_PER_S = 5e9
"""What one core reads of memory while it decodes; a rule of thumb, not measured."""

_LEAST_TOKENS_PER_S = 10.0
"""Slower than this, a line takes longer than somebody waits."""

_CPU_SHARE = 0.8
"""Of the free memory: the editor and the rest of the machine live from it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of the model at one time.

    Attributes:
        context_tokens: Prompt and output of one request.
        concurrency: Requests that are decoded side by side.
        reserved_cache_bytes: What the engine sets aside for the cache however little
            is asked of it; 0 where it takes what is needed.
    """

    context_tokens: int
    concurrency: int
    reserved_cache_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Memory by its use, in bytes.

    Attributes:
        weights: The weights as they are stored.
        weights_are_estimated: Whether no source states their size.
        cache: Keys and values of all requests, or what is set aside for them.
        activations: What one step of a prefill holds.
        base: Everything that does not depend on the model, graphs included.
    """

    weights: int
    weights_are_estimated: bool
    cache: int
    activations: int
    base: int

    @property
    def total(self) -> int:
        """The sum of all parts."""
        return self.weights + self.cache + self.activations + self.base


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine that a model would run on; of several GPUs, the first counts.

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
        """Memory that a model may take, in bytes."""
        if not self.gpus:
            return int(self.ram_bytes * _CPU_SHARE)
        first = self.gpus[0]
        return min(int(first.total_bytes * self.gpu_share), first.free_bytes)


class Rating(enum.Enum):
    """Whether a model suits a machine."""

    FITS = "fits"
    TOO_LARGE = "too large"
    TOO_SHORT = "too short"
    TOO_SLOW = "too slow"
    CANNOT_RUN = "cannot run"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one model suits one machine.

    Attributes:
        entry: The model.
        rating: Whether it suits.
        why: The reason, as a clause.
        need: The memory that it needs; None where that cannot be counted.
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


def memory_need(
    entry: Entry, load: Load, *, device: str, weights_bytes: int | None = None
) -> Need | None:
    """Count the memory that a model needs; None where its shape is not known.

    Args:
        entry: The model.
        load: What is asked of it; a context is cut at the model's own.
        device: ``cpu`` or ``cuda``.
        weights_bytes: The size of the weights on disk, where they are there.
    """
    shape = entry.architecture
    if shape is None:
        return None
    checkpoint = entry.checkpoint
    stated = weights_bytes or (checkpoint.weights_bytes if checkpoint else None)
    context = min(load.context_tokens, entry.context_length)
    tokens = -(-context // _BLOCK_TOKENS) * _BLOCK_TOKENS * load.concurrency
    cache = tokens * _cache_values(shape) * _CACHE_BYTES
    return Need(
        weights=stated or _estimated_weights(entry, shape),
        weights_are_estimated=stated is None,
        cache=max(cache, load.reserved_cache_bytes),
        activations=_PREFILL_TOKENS * shape.hidden_size * _ACTIVATION_WIDTHS * 2,
        base=_BASE_BYTES[device],
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
    """Return why the engine cannot run a model at all; empty if it can."""
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


def _cache_values(shape: Architecture) -> int:
    """Values that one token leaves in the cache."""
    width = shape.latent_width or 2 * shape.kv_heads * shape.head_dim
    return shape.layers * width


def _estimated_weights(entry: Entry, shape: Architecture) -> int:
    """Size of the weights, embedding and head in 16 bits, all else quantised."""
    bits = entry.checkpoint.bits if entry.checkpoint else 16
    group = (entry.checkpoint and entry.checkpoint.group_size) or _USUAL_GROUP
    per_weight = bits / 8 + (_SCALE_BYTES / group if bits < 16 else 0)  # noqa: PLR2004 - 16 bits are not quantised
    embedding = 2 * (shape.vocabulary or 0) * shape.hidden_size
    return int(max(entry.parameters - embedding, 0) * per_weight + 2 * embedding)
