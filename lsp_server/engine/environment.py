"""The environment variables that vLLM and its helpers read, set in one place.

vLLM reads many of them when it is imported, so they are set before that, and its child
processes inherit them. What the user has set already stands, except where another
value would break the server or send data away.
"""

import importlib.util
import os

from lsp_server.config import Device
from lsp_server.engine import orphan

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

#: Taken unless the user says otherwise.
_DEFAULTS = {
    "VLLM_LOGGING_LEVEL": "WARNING",
    "TOKENIZERS_PARALLELISM": "false",
}


def prepare_environment(device: Device) -> None:
    """Set what an engine on ``device`` needs, for this process and its children."""
    os.environ.update(_FORCED)
    os.environ[orphan.OWNER_VARIABLE] = str(os.getpid())
    defaults = dict(_DEFAULTS)
    if device is Device.CUDA and importlib.util.find_spec("flashinfer") is None:
        # vLLM takes flashinfer's sampler by default, and stops if it is not there.
        defaults["VLLM_USE_FLASHINFER_SAMPLER"] = "0"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
