"""vLLM's and PyTorch's exceptions, turned into Midfill's at the one seam.

Classes are known by their names, so that this module needs neither library: a name is
looked up along an exception's base classes, nearest first.

Source: vLLM 0.32, ``vllm/exceptions.py`` and ``vllm/v1/engine/exceptions.py``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lsp_server.engine.start_report import Cause
from lsp_server.errors import (
    EngineDeadError,
    EngineError,
    EngineStartError,
    GenerationError,
    MidfillError,
    RequestRejectedError,
)

__all__ = ["error_class", "request_faults", "start_error"]

#: What a failure of a running engine means.
_REQUEST_FAULTS: dict[str, type[EngineError]] = {
    "vllm.v1.engine.exceptions.EngineDeadError": EngineDeadError,
    "vllm.v1.engine.exceptions.EngineGenerateError": GenerationError,
    "vllm.v1.engine.async_llm.InputStreamError": GenerationError,
    "vllm.exceptions.VLLMClientError": RequestRejectedError,
    "vllm.exceptions.GracefulHTTPError": RequestRejectedError,
    "vllm.exceptions.VLLMServerError": GenerationError,
    "vllm.exceptions.VLLMError": GenerationError,
    # A CUDA context is of no use after an error in a kernel.
    "torch.AcceleratorError": EngineDeadError,
    "torch.OutOfMemoryError": GenerationError,
    # Sockets of an engine that was shut down between two awaits.
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

_FREE_MEMORY = (
    "close other programs or take a smaller model, or lower "
    "engine.kv_cache_memory_bytes"
)
_CHECK_SETTINGS = "check engine.dtype, engine.quantization and engine.max_model_len"
_COPY_AGAIN = "copy the model again; a file of it is damaged or incomplete"

#: Remedies for a failed start, by exception. The first cause with a remedy counts,
#: because later ones are consequences.
_START_REMEDIES: dict[str, str] = {
    "torch.OutOfMemoryError": _FREE_MEMORY,
    "builtins.MemoryError": _FREE_MEMORY,
    "safetensors_rust.SafetensorError": _COPY_AGAIN,
    "safetensors.SafetensorError": _COPY_AGAIN,
    "builtins.FileNotFoundError": _COPY_AGAIN,
    "builtins.KeyError": _COPY_AGAIN,
    "builtins.ImportError": "install Midfill again; a package of it is missing",
    "builtins.ModuleNotFoundError": (
        "install Midfill again; a package of it is missing"
    ),
    "builtins.TimeoutError": "raise engine.start_timeout_s",
}


def _names(kind: type[BaseException]) -> Iterator[str]:
    for base in kind.__mro__:
        yield f"{base.__module__}.{base.__qualname__}"


def error_class(kind: type[BaseException]) -> type[EngineError] | None:
    """Tell which of Midfill's errors a failure of a running engine is.

    Returns:
        The class, or None for an exception that no engine is known to raise.
    """
    found = (_REQUEST_FAULTS.get(name) for name in _names(kind))
    return next(filter(None, found), None)


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
            _first_line(error), subject=f"request {request_id}", remedy=_REMEDIES[kind]
        ) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")


def start_error(
    error: BaseException, causes: Sequence[Cause], *, model: str
) -> MidfillError:
    """Say why an engine did not start.

    Args:
        error: What vLLM's front end raised.
        causes: What its other processes reported, the first failure first.
        model: The model's name or folder, for the message.

    Returns:
        The error to raise: `UnsupportedModelError` where another model is needed,
        `EngineStartError` otherwise.
    """
    if isinstance(error, MidfillError):
        return error
    own = Cause(
        type_name=next(_names(type(error))), message=str(error) or type(error).__name__
    )
    # The front end's own message only points at the causes, if there are any.
    cause = causes[0] if causes else own
    what = (cause.message.strip().splitlines() or [cause.type_name])[0].rstrip(".")
    if not what:
        what = cause.type_name
    return EngineStartError(what, subject=model, remedy=_CHECK_SETTINGS)
