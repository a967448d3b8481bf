"""The environment variables that vLLM and its helpers read, set in one place.

vLLM reads many of them when it is imported, so they are set before that, and its child
processes inherit them. What the user has set already stands, except where another
value would break the server or send data away.
"""

import importlib.util
import os

import psutil

from lsp_server.config import Device
from lsp_server.engine.bytecode import cache_folder

__all__ = ["prepare_environment"]

#: Not to be changed by the user.
_FORCED = {
    # The server's stdout carries the protocol.
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    # Nothing is sent to anybody, and nothing is fetched: models are local folders.
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    # Messages between the processes are never unpickled from a socket.
    "VLLM_ALLOW_INSECURE_SERIALIZATION": "0",
    # CUDA does not survive a fork, and neither do the threads of an editor's server.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}

#: An engine is killed, so `multiprocessing` frees its semaphores, which is what it is
#: there for; it need not tell the user.
_TRACKER_WARNING = "ignore:resource_tracker:UserWarning"

#: Taken unless the user says otherwise.
_DEFAULTS = {
    "VLLM_LOGGING_LEVEL": "WARNING",
    # PyTorch's C++ code warns that memory is bound to the only NUMA node.
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}

#: With fewer cores a prompt is encoded no faster side by side, measured on two; on 16
#: it took half of the time.
_CORES_FOR_PARALLEL_ENCODING = 4

#: Threads that wait for each other sleep soon. By default they spin, and where another
#: program has taken one of two cores the others spin for as long as it runs: measured,
#: a step of 20 ms then took up to 350 ms.
_OPENMP = {"OMP_WAIT_POLICY": "passive"}

#: The layers of a model that a CPU can serve are too small for more threads.
_MOST_THREADS = 16


def prepare_environment(device: Device) -> None:
    """Set what an engine on ``device`` needs, for this process and its children."""
    os.environ.update(_FORCED)
    defaults = dict(_DEFAULTS)
    parallel = len(os.sched_getaffinity(0)) >= _CORES_FOR_PARALLEL_ENCODING
    defaults["TOKENIZERS_PARALLELISM"] = "true" if parallel else "false"
    if device is Device.CUDA and importlib.util.find_spec("flashinfer") is None:
        # vLLM takes flashinfer's sampler by default, and stops if it is not there.
        defaults["VLLM_USE_FLASHINFER_SAMPLER"] = "0"
    if device is Device.CPU:
        defaults |= _OPENMP | {"OMP_NUM_THREADS": str(_compute_threads())}
    if folder := cache_folder(os.environ):
        # PyTorch would take the temporary folder, which all users share.
        defaults["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "torchinductor")
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    warnings = [w for w in os.environ.get("PYTHONWARNINGS", "").split(",") if w]
    if _TRACKER_WARNING not in warnings:
        os.environ["PYTHONWARNINGS"] = ",".join([*warnings, _TRACKER_WARNING])


def _compute_threads() -> int:
    """One thread for each physical core that this process may use."""
    logical = psutil.cpu_count() or 1
    per_core = max(1, logical // (psutil.cpu_count(logical=False) or logical))
    usable = len(os.sched_getaffinity(0)) // per_core
    return max(1, min(usable, _MOST_THREADS))
