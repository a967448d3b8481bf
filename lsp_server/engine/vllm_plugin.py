"""What Midfill adds to each of vLLM's processes: a plugin and methods of the worker.

The plugin `register` is loaded by vLLM in every process. In one that belongs to an
engine of Midfill's, it

- reports how the start goes. vLLM tells the server nothing between the start of an
  engine process and its end, and of a failure only "Engine core initialization failed.
  See root cause above". So the process writes the stages that it enters into one file
  of the engine's folder, and the exceptions that vLLM logs into another;
- drops warnings from the log that nobody can act on;
- registers a faster kernel for 4-bit weights, where there is one, and mends vLLM's
  sampling on CPUs (`vllm_cpu`).

The server reads the reports, and calls the methods of `WorkerExtension` by name. This
module does not import vLLM or PyTorch until vLLM calls `register`.
"""

import json
import logging
import os
import warnings
from pathlib import Path
from typing import Any

from lsp_server.engine import engine_folder
from lsp_server.engine.vllm_errors import StartFailure
from lsp_server.engine_values import StartStage

__all__ = [
    "FOLDER_VARIABLE",
    "WorkerExtension",
    "drop_known_warnings",
    "read_failures",
    "read_stages",
    "register",
    "report_failures",
    "report_stage",
]

#: Names the engine's folder, in the environment that engine processes inherit.
FOLDER_VARIABLE = "MIDFILL_ENGINE_FOLDER"

_FAILURES_FILE = "failures.jsonl"
_STAGES_FILE = "stages"

#: Logger, and how the unformatted message begins. Source: vLLM 0.32, PyTorch 2.13.
_KNOWN_WARNINGS: dict[str, str | tuple[str, ...]] = {
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


def register() -> None:
    """Prepare this process; vLLM calls it, in some processes more than once."""
    from lsp_server.engine import vllm_cpu

    report_failures()
    drop_known_warnings()
    vllm_cpu.register()
    vllm_cpu.mend_sampling()


class WorkerExtension:
    """Methods that vLLM mixes into its worker, and that the server calls by name."""

    def midfill_linear_kernels(self) -> list[str]:
        """Return the names of the kernels for quantised weights, sorted.

        vLLM's kernel for CPUs rounds activations to 8 bits where the CPU has AMX, and
        keeps 16 elsewhere; its name is followed by which of the two it does.
        """
        model: Any = self.get_model()  # type: ignore[attr-defined]  # vLLM's worker
        return sorted(set(filter(None, map(_kernel_name, model.modules()))))


def _kernel_name(layer: Any) -> str | None:  # noqa: ANN401 - a module of vLLM's
    kernel = getattr(getattr(layer, "quant_method", None), "kernel", None)
    if kernel is None:
        return None
    name = type(kernel).__name__
    if not hasattr(layer, "use_w4a8"):
        return name
    return f"{name} (W4A8)" if layer.use_w4a8 else f"{name} (W4A16)"


class _FailureHandler(logging.Handler):
    """Appends the exceptions of log records to a file, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        super().__init__(level=logging.ERROR)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return
        kind = type(error)
        entry = {
            "type_name": f"{kind.__module__}.{kind.__qualname__}",
            "message": str(error),
        }
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError:
            self.handleError(record)


def report_failures() -> None:
    """Report the exceptions that vLLM logs, if this process is an engine's."""
    folder = _reporting_folder()
    if folder is None:
        return
    logger = logging.getLogger("vllm")
    if not any(isinstance(h, _FailureHandler) for h in logger.handlers):
        logger.addHandler(_FailureHandler(folder / _FAILURES_FILE))


def report_stage(stage: StartStage) -> None:
    """Report that a stage of the start begins, if this process is an engine's."""
    folder = _reporting_folder()
    if folder is None:
        return
    with (folder / _STAGES_FILE).open("a", encoding="utf-8") as file:
        file.write(f"{stage.value}\n")


def _reporting_folder() -> Path | None:
    """Return the engine's folder; None in a process of no engine of Midfill's."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or not engine_folder.is_engine_process():
        return None
    return Path(folder)


def read_failures(folder: Path) -> tuple[StartFailure, ...]:
    """Return what an engine's processes reported, the first failure first."""
    lines = _complete_lines(folder / _FAILURES_FILE)
    return tuple(StartFailure(**json.loads(line)) for line in lines)


def read_stages(folder: Path) -> tuple[StartStage, ...]:
    """Return the stages that an engine's processes have entered, in their order."""
    return tuple(map(StartStage, _complete_lines(folder / _STAGES_FILE)))


def _complete_lines(path: Path) -> list[str]:
    """Return the complete lines of a file that another process may be writing."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return text.split("\n")[:-1]


class _KnownMessage(logging.Filter):
    """Drops warnings whose message begins in a known way, and no errors."""

    def __init__(self, beginnings: str | tuple[str, ...]) -> None:
        super().__init__()
        self._beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING or not str(record.msg).startswith(
            self._beginnings
        )


def drop_known_warnings() -> None:
    """Drop the known warnings in this process; a second call changes nothing."""
    for name, beginnings in _KNOWN_WARNINGS.items():
        logger = logging.getLogger(name)
        if not any(isinstance(f, _KnownMessage) for f in logger.filters):
            logger.addFilter(_KnownMessage(beginnings))
    # It looks at every attribute of PyTorch's modules, those with a warning as well.
    warnings.filterwarnings(
        "ignore", category=FutureWarning, module=r"vllm\.triton_utils\.dispatcher"
    )
