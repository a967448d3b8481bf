"""Warnings at every start of vLLM that nobody can act on, kept out of the log.

Each tells of something that Midfill decided, or that this kind of machine lacks for
good. A record is known by its logger and by how its message begins, so that whatever
else the same modules say, errors above all, still comes through.

This module does not import vLLM.
"""

import logging
import warnings

__all__ = ["hush"]

#: Logger, and how the unformatted message begins. Source: vLLM 0.32, PyTorch 2.13.
_KNOWN: dict[str, str | tuple[str, ...]] = {
    # Token ids go in and come out; the tokenizer is not vLLM's business.
    "vllm.renderers.base": "Using None for EOS token id",
    # One line for each layer: GPTQ stores its scales in float16.
    "vllm.model_executor.models.utils": "Attempted to load weight",
    # On a CPU there is neither Triton nor CUDA graphs, and eager is our choice.
    "vllm.config.vllm": (
        "Model Runner V2 requires Triton",
        "Enforce eager set",
        "Inductor compilation was disabled by user settings",
    ),
    "vllm.platforms.cpu": "Triton is not installed",
    "torch._library.triton": "Triton not available",
    # The libraries are not part of vLLM's CPU build.
    "vllm.v1.worker.cpu_worker": "%s is not found in LD_PRELOAD",
    # The CPU lacks the instructions for it; PyTorch's own takes over.
    "vllm.model_executor.layers.utils": "Failed to create oneDNN linear",
    # The number is Midfill's.
    "vllm.utils.torch_utils": "OMP_NUM_THREADS=%s is set",
}


class _KnownMessage(logging.Filter):
    """Drops warnings that begin in a known way."""

    def __init__(self, beginnings: str | tuple[str, ...]) -> None:
        super().__init__()
        self._beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING or not str(record.msg).startswith(
            self._beginnings
        )


def hush() -> None:
    """Drop the known warnings in this process; harmless to call again."""
    for name, beginnings in _KNOWN.items():
        logger = logging.getLogger(name)
        if not any(isinstance(f, _KnownMessage) for f in logger.filters):
            logger.addFilter(_KnownMessage(beginnings))
    # It looks at every attribute of PyTorch's modules, those with a warning as well.
    warnings.filterwarnings(
        "ignore", category=FutureWarning, module=r"vllm\.triton_utils\.dispatcher"
    )
