"""llama.cpp's own server with the shipped model, for `typing`.

It runs as ``PYTHON -m benchmarks.llama_cpp_server`` in an environment of its own, which
has ``gguf`` and ``xllamacpp``, llama.cpp with its server as a wheel, from PyPI. A line
on stdout says where it listens; it ends when its stdin does.

Source: the settings are those that llama.vim's README recommends to start the server
with, ``-b 1024 -ub 1024 --cache-reuse 256``, within the context of the model.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import xllamacpp

from benchmarks.llama_cpp_model import write_gguf

__all__ = ["main"]

_BATCH_TOKENS = 1024
_REUSED_CHUNK_TOKENS = 256


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(description="llama.cpp with the shipped model.")
    parser.add_argument("model", type=Path, help="the model's folder")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="midfill-bench-gguf-") as folder:
        path = Path(folder, "model.gguf")
        write_gguf(arguments.model, path)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = 0
        parameters.slot_save_path = folder + os.sep
        parameters.n_batch = parameters.n_ubatch = _BATCH_TOKENS
        parameters.n_cache_reuse = _REUSED_CHUNK_TOKENS
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = arguments.threads
        parameters.cpuparams_batch.n_threads = arguments.threads
        server = xllamacpp.Server(parameters)
        where = {"url": server.listening_address, "build": xllamacpp.BUILD_INFO}
        print(json.dumps(where), flush=True)
        sys.stdin.read()
    # Not by way of the server's own end, which waits for requests.
    os._exit(0)


if __name__ == "__main__":
    main()
