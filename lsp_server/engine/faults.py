"""What vLLM and PyTorch raise at a running engine, turned into Midfill's errors.

Classes are known by their names, so that this module needs neither library: a name is
looked up along an exception's base classes, nearest first.

Source: vLLM 0.32, ``vllm/exceptions.py`` and ``vllm/v1/engine/exceptions.py``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from lsp_server.errors import (
    EngineDeadError,
    EngineError,
    GenerationError,
    MidfillError,
    RequestRejectedError,
)

__all__ = ["error_class", "first_line", "request_faults", "said_by", "type_names"]

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


def type_names(kind: type[BaseException]) -> Iterator[str]:
    """The full names of an exception's class and of its bases, nearest first."""
    for base in kind.__mro__:
        yield f"{base.__module__}.{base.__qualname__}"


def first_line(error: BaseException) -> str:
    """What an exception says, as a clause without a full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


def said_by(error: Exception) -> tuple[str, str]:
    """What a user reads of an engine's end: what happened, and what to do about it.

    Both are clauses; the second is empty where there is nothing to do but to wait.
    """
    if not isinstance(error, MidfillError):
        return f"an internal error ({type(error).__name__})", "see the server's log"
    if isinstance(error, EngineDeadError):
        return error.what, ""
    if error.subject == "engine":
        return error.what, error.remedy
    return f"{error.subject}: {error.what}", error.remedy


def error_class(kind: type[BaseException]) -> type[EngineError] | None:
    """Tell which of Midfill's errors an exception of a running engine is.

    Returns:
        The class, or None for an exception that no engine is known to raise.
    """
    return next(filter(None, map(_CLASSES.get, type_names(kind))), None)


@contextmanager
def request_faults(request_id: str) -> Iterator[None]:
    """Turn whatever an engine raises inside into Midfill's errors.

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
