"""Translates what vLLM and PyTorch raise into Midfill's errors.

Errors of a running engine are recognised by class name, so that this module needs
neither library: a name is looked up along an exception's base classes, nearest first.

When a start fails, vLLM raises the same few classes for quite different causes, so
there, and nowhere else, an error is also recognised by a fragment of its text. If a
later vLLM words it differently, the special remedy is lost, not the error.

Source: vLLM 0.32, ``vllm/exceptions.py`` and ``vllm/v1/engine/exceptions.py``.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lsp_server.errors import (
    EngineDeadError,
    EngineError,
    EngineStartError,
    GenerationError,
    MidfillError,
    ModelIntegrityError,
    RequestRejectedError,
    UnsupportedModelError,
)

__all__ = [
    "StartFailure",
    "error_class",
    "explain",
    "first_line",
    "request_errors",
    "start_error",
]

_CLASSES: dict[str, type[EngineError]] = {
    "vllm.v1.engine.exceptions.EngineDeadError": EngineDeadError,
    "vllm.v1.engine.exceptions.EngineGenerateError": GenerationError,
    "vllm.v1.engine.async_llm.InputStreamError": GenerationError,
    "vllm.exceptions.VLLMClientError": RequestRejectedError,
    "vllm.exceptions.GracefulHTTPError": RequestRejectedError,
    "vllm.exceptions.VLLMServerError": GenerationError,
    "vllm.exceptions.VLLMError": GenerationError,
    # A CUDA context is of no use after an error in a kernel.
    "torch.AcceleratorError": EngineDeadError,
    "torch.FatalError": EngineDeadError,
    "torch.OutOfMemoryError": GenerationError,
    # A socket of an engine that was shut down between two awaits.
    "zmq.error.ZMQError": EngineDeadError,
    "builtins.TypeError": RequestRejectedError,
    "builtins.ValueError": RequestRejectedError,
    "builtins.NotImplementedError": RequestRejectedError,
    "builtins.MemoryError": GenerationError,
    "builtins.OSError": GenerationError,
    "builtins.RuntimeError": GenerationError,
}

_REMEDIES: dict[type[EngineError], str] = {
    EngineDeadError: "wait for the restart; the engine's log on stderr has the cause",
    GenerationError: "try again; the engine's log on stderr has the cause",
    RequestRejectedError: "shorten the prompt or lower max_tokens",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailure:
    """An exception that a process of the engine logged while it started.

    Attributes:
        type_name: The exception's class with module, ``builtins.ValueError`` for
            example.
        message: The exception's text.
    """

    type_name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """One kind of failed start, recognised by class and a fragment of the text.

    Attributes:
        type_name: A part of the class's name; empty matches all.
        fragment: A part of the text; empty matches all.
        becomes: The error to raise.
        what: What to say instead of the failure's own text, if not empty.
        transient: Whether another attempt may succeed without the user's help.
        remedy: What the user can do.
    """

    type_name: str = ""
    fragment: str = ""
    becomes: type[MidfillError] = EngineStartError
    what: str = ""
    transient: bool = False
    remedy: str

    def matches(self, failure: StartFailure) -> bool:
        """Return whether a failure is of this kind."""
        return self.type_name in failure.type_name and self.fragment in failure.message


_FREE_MEMORY = "close other programs, or take a smaller model"
_DAMAGED = "copy or quantise the model again; a file of it is damaged or incomplete"
_OTHER_MODEL = "take a model that `midfill quantize` made"

#: The first rule that matches decides.
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
        transient=True,
        remedy="the engine's log on stderr has the cause",
    ),
    _Rule(type_name="ImportError", remedy="install Midfill again"),
    _Rule(type_name="ModuleNotFoundError", remedy="install Midfill again"),
    _Rule(
        type_name="TimeoutError", transient=True, remedy="raise engine.start_timeout_s"
    ),
)

_DEFAULT = _Rule(
    transient=True,
    remedy="check the engine settings; the engine's log on stderr says more",
)

_KILLED = _Rule(
    what="the system killed an engine process while it started",
    remedy=f"it had too little memory, most likely: {_FREE_MEMORY}",
)

#: What pydantic, with which vLLM checks its options, puts before the reason.
_PYDANTIC_PREFIX = re.compile(r"\A\d+ validation errors? for .*\n\s*(Value error, )?")


def error_class(kind: type[BaseException]) -> type[EngineError] | None:
    """Return which of Midfill's errors an exception of a running engine becomes.

    Returns:
        The class, or None for an exception that no engine is known to raise.
    """
    return next(filter(None, map(_CLASSES.get, _type_names(kind))), None)


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, without a full stop.

    An exception without a text is named by its class.
    """
    return _clause(str(error), otherwise=type(error).__name__)


@contextmanager
def request_errors(request_id: str) -> Iterator[None]:
    """Translate whatever an engine raises inside the block.

    Raises:
        RequestRejectedError: The engine refuses this request.
        GenerationError: This generation failed, the engine lives.
        EngineDeadError: The engine is gone.
    """
    try:
        yield
    except MidfillError:
        raise
    except Exception as error:
        kind = error_class(type(error)) or GenerationError
        raise kind(
            first_line(error),
            subject=f"request {request_id}",
            remedy=_REMEDIES[kind],
        ) from error


def start_error(
    error: BaseException, failures: Sequence[StartFailure], *, model: str
) -> MidfillError:
    """Return the error that tells the user why an engine did not start.

    Args:
        error: What vLLM raised in this process.
        failures: What its other processes reported, in the order of time. The first
            is the cause; the later ones, and ``error``, follow from it.
        model: The model's name, for the message.

    Returns:
        A `ModelError` where only another model helps, else an `EngineStartError`.
    """
    if isinstance(error, MidfillError):
        return error
    own = StartFailure(
        type_name=next(_type_names(type(error))),
        message=_PYDANTIC_PREFIX.sub("", str(error)).partition(" [type=")[0],
    )
    cause = failures[0] if failures else own
    rule = next((rule for rule in _RULES if rule.matches(cause)), _DEFAULT)
    if not failures and "': -9}" in own.message:
        rule = _KILLED
    what = rule.what or _clause(cause.message, otherwise=cause.type_name)
    if rule.becomes is EngineStartError:
        return EngineStartError(
            what, subject=model, remedy=rule.remedy, lasting=not rule.transient
        )
    return rule.becomes(what, subject=model, remedy=rule.remedy)


def explain(error: Exception) -> tuple[str, str]:
    """Return what a user reads when an engine has ended: the reason, and the remedy.

    Both are clauses. The remedy is empty where the user need only wait.
    """
    if not isinstance(error, MidfillError):
        return f"an internal error ({type(error).__name__})", "see the server's log"
    if isinstance(error, EngineDeadError):
        return error.what, ""
    if error.subject == "engine":
        return error.what, error.remedy
    return f"{error.subject}: {error.what}", error.remedy


def _type_names(kind: type[BaseException]) -> Iterator[str]:
    """Yield the full names of an exception's class and of its bases, nearest first."""
    for base in kind.__mro__:
        yield f"{base.__module__}.{base.__qualname__}"


def _clause(text: str, *, otherwise: str) -> str:
    """Return the first line of a text without a full stop, never an empty one."""
    lines = text.strip().splitlines() or [otherwise]
    return lines[0].rstrip(".")
