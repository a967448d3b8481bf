"""Whatever vLLM raises at a running engine becomes one of Midfill's errors."""

import importlib
from types import ModuleType

import pytest

from lsp_server.config import Device
from lsp_server.engine.device import choose_device
from lsp_server.engine.environment import prepare_environment
from lsp_server.engine.faults import error_class, first_line, request_faults
from lsp_server.errors import (
    EngineDeadError,
    EngineError,
    GenerationError,
    MidfillError,
    RequestRejectedError,
)

#: Every exception that vLLM offers where it answers requests, and what it means here.
#: A new one must be put into this table, with a decision.
EXPECTED = {
    "vllm.exceptions.GenerationError": GenerationError,
    "vllm.exceptions.GracefulHTTPError": RequestRejectedError,
    "vllm.exceptions.LoRAAdapterNotFoundError": RequestRejectedError,
    "vllm.exceptions.MaxQueuedTokensError": RequestRejectedError,
    "vllm.exceptions.ProfilerAlreadyActiveError": RequestRejectedError,
    "vllm.exceptions.QueueOverflowError": RequestRejectedError,
    "vllm.exceptions.RetryableRequestError": GenerationError,
    "vllm.exceptions.VLLMClientError": RequestRejectedError,
    "vllm.exceptions.VLLMError": GenerationError,
    "vllm.exceptions.VLLMNotFoundError": RequestRejectedError,
    "vllm.exceptions.VLLMServerError": GenerationError,
    "vllm.exceptions.VLLMUnprocessableEntityError": RequestRejectedError,
    "vllm.exceptions.VLLMValidationError": RequestRejectedError,
    "vllm.v1.engine.async_llm.InputStreamError": GenerationError,
    "vllm.v1.engine.exceptions.EngineDeadError": EngineDeadError,
    "vllm.v1.engine.exceptions.EngineGenerateError": GenerationError,
    # PyTorch's, which vLLM lets through.
    "torch.AcceleratorError": EngineDeadError,
    "torch.FatalError": EngineDeadError,
    "torch.OutOfMemoryError": GenerationError,
    "torch.distributed.DistBackendError": GenerationError,
    "torch.distributed.DistError": GenerationError,
    "torch.distributed.DistNetworkError": GenerationError,
    "torch.distributed.DistStoreError": GenerationError,
    "torch.distributed.QueueEmptyError": GenerationError,
}

#: Where they are defined.
SOURCES = (
    "vllm.exceptions",
    "vllm.v1.engine.exceptions",
    "vllm.v1.engine.async_llm",
    "torch",
    "torch.distributed",
)


def exceptions_of(module: ModuleType) -> dict[str, type[Exception]]:
    """The exceptions that a module defines, by their full names."""
    # `isinstance` would ask the members themselves, and some of them warn then.
    kinds = (k for k in vars(module).values() if issubclass(type(k), type))
    return {
        f"{kind.__module__}.{kind.__qualname__}": kind
        for kind in kinds
        if issubclass(kind, Exception) and kind.__module__ == module.__name__
    }


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # vLLM's own, at its import
def test_every_exception_of_vllm_is_decided_on() -> None:
    """An exception that a newer vLLM adds fails here until somebody maps it."""
    prepare_environment(choose_device(Device.AUTO))
    found: dict[str, type[Exception]] = {}
    for name in SOURCES:
        found |= exceptions_of(importlib.import_module(name))
    assert {name: error_class(kind) for name, kind in found.items()} == EXPECTED


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        (ValueError("too long"), RequestRejectedError),
        (TypeError("not a list"), RequestRejectedError),
        (NotImplementedError("no beams"), RequestRejectedError),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "no"), RequestRejectedError),
        (MemoryError(), GenerationError),
        (ConnectionResetError("gone"), GenerationError),
        (RuntimeError("odd"), GenerationError),
        (LookupError("nobody foresaw this"), GenerationError),
    ],
    ids=repr,
)
def test_a_fault_keeps_its_cause(raised: Exception, becomes: type[EngineError]) -> None:
    """The error says what happened, to which request and what to do, and why."""
    with pytest.raises(becomes) as caught, request_faults("r1"):
        raise raised
    assert raised is caught.value.__cause__
    assert first_line(raised) == caught.value.what
    assert "request r1" == caught.value.subject
    assert caught.value.remedy


def test_our_own_errors_and_cancellations_pass() -> None:
    """An error that is Midfill's already goes through, and so does what is no error."""
    ours = MidfillError("x", subject="y", remedy="z")
    for raised in (ours, KeyboardInterrupt()):
        with pytest.raises(type(raised)) as caught, request_faults("r1"):
            raise raised
        assert raised is caught.value


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one.\ntwo"), "one"),
        (ValueError("  padded  "), "padded"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_first_line_is_a_clause(error: Exception, line: str) -> None:
    """No full stop, no second line, and never nothing."""
    assert line == first_line(error)
