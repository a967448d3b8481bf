"""Why an engine did not start, and what to do about it.

vLLM raises the same few classes for quite different causes of a failed start, so here,
and nowhere else, an error is also known by a fragment of its text. A fragment that a
later vLLM words differently costs the special remedy, not the error.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lsp_server.engine.faults import type_names
from lsp_server.engine.start_report import Cause
from lsp_server.errors import (
    EngineStartError,
    MidfillError,
    ModelIntegrityError,
    UnsupportedModelError,
)

__all__ = ["start_error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """A kind of failure: known by class and a fragment of the text; empty fits all.

    One that passes may be gone at the next start; the others only the user can mend.
    """

    type_name: str = ""
    fragment: str = ""
    becomes: type[MidfillError] = EngineStartError
    what: str = ""
    passes: bool = False
    remedy: str

    def fits(self, cause: Cause) -> bool:
        """Whether a cause is of this kind."""
        return self.type_name in cause.type_name and self.fragment in cause.message


_FREE_MEMORY = "close other programs, or take a smaller model"
_DAMAGED = "copy or quantise the model again; a file of it is damaged or incomplete"
_OTHER_MODEL = "take a model that `midfill quantize` made"

#: The first that fits counts.
_RULES = (
    _Rule(type_name="SafetensorError", becomes=ModelIntegrityError, remedy=_DAMAGED),
    _Rule(type_name="OutOfMemoryError", remedy=_FREE_MEMORY),
    _Rule(type_name="MemoryError", remedy=_FREE_MEMORY),
    _Rule(
        fragment="larger than the available KV cache memory",
        remedy="lower engine.max_model_len, or raise engine.kv_cache_memory_bytes",
    ),
    _Rule(
        fragment="No available memory for the cache blocks",
        remedy="raise engine.kv_cache_memory_bytes or engine.gpu_memory_utilization",
    ),
    _Rule(
        fragment="less than requested memory for kv",
        remedy="lower engine.kv_cache_memory_bytes, or close other programs",
    ),
    _Rule(
        fragment="GPU memory utilization",
        remedy="lower engine.gpu_memory_utilization, or free the GPU's memory",
    ),
    _Rule(
        fragment="not enough memory",
        remedy=f"lower engine.kv_cache_memory_bytes; {_FREE_MEMORY}",
    ),
    _Rule(
        fragment="Failed to find a kernel",
        becomes=UnsupportedModelError,
        what="this machine has no kernel for the model's quantisation",
        remedy=_OTHER_MODEL,
    ),
    _Rule(
        fragment="Model architectures",
        becomes=UnsupportedModelError,
        what="vLLM does not know the architecture that the model's config.json names",
        remedy=_OTHER_MODEL,
    ),
    _Rule(
        fragment="does not recognize this architecture",
        becomes=UnsupportedModelError,
        what="vLLM does not know the model type that the model's config.json names",
        remedy=_OTHER_MODEL,
    ),
    _Rule(
        fragment="uantization method",
        remedy="leave engine.quantization empty, so that the checkpoint decides",
    ),
    _Rule(
        fragment="Engine core initialization failed",
        what="an engine process ended while it started",
        passes=True,
        remedy="the engine's log on stderr has the cause",
    ),
    _Rule(type_name="ImportError", remedy="install Midfill again"),
    _Rule(type_name="ModuleNotFoundError", remedy="install Midfill again"),
    _Rule(type_name="TimeoutError", passes=True, remedy="raise engine.start_timeout_s"),
)

_DEFAULT = _Rule(
    passes=True,
    remedy="check the engine settings; the engine's log on stderr says more",
)

_KILLED = _Rule(
    what="the system killed an engine process while it started",
    remedy=f"it had too little memory, most likely: {_FREE_MEMORY}",
)

#: How pydantic, in which vLLM checks its options, begins: the reason comes after it.
_WRAPPING = re.compile(r"\A\d+ validation errors? for .*\n\s*(Value error, )?")


def start_error(
    error: BaseException, causes: Sequence[Cause], *, model: str
) -> MidfillError:
    """Say why an engine did not start.

    Args:
        error: What vLLM's front end raised.
        causes: What its other processes reported, the first failure first: the later
            ones, and the front end's own error, are consequences.
        model: The model's name, for the message.

    Returns:
        The error to raise: a `ModelError` where only another model helps, and
        `EngineStartError` otherwise.
    """
    if isinstance(error, MidfillError):
        return error
    front_end = Cause(
        type_name=next(type_names(type(error))),
        message=_WRAPPING.sub("", str(error)).partition(" [type=")[0],
    )
    cause = causes[0] if causes else front_end
    rule = next((rule for rule in _RULES if rule.fits(cause)), _DEFAULT)
    if not causes and "': -9}" in front_end.message:
        rule = _KILLED
    what = rule.what or (cause.message.strip().splitlines() or [cause.type_name])[0]
    what = what.rstrip(".")
    if rule.becomes is EngineStartError:
        return EngineStartError(
            what, subject=model, remedy=rule.remedy, lasting=not rule.passes
        )
    return rule.becomes(what, subject=model, remedy=rule.remedy)
