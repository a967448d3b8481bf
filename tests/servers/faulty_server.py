"""A server with one fault, named by its first argument; the rest is a server's own.

``crash`` ends at once with words on stderr, ``garbage`` writes what is no message,
``hang`` reads and never answers, ``other-version`` is the real server under the version
99.0.0.
"""

import os
import sys

import lsp_server
from lsp_server.__main__ import main


def serve(fault: str, arguments: list[str]) -> int:
    """Behave as the fault says, and return the exit status."""
    if fault == "crash":
        sys.stderr.write("midfill serve: engine: cannot start; install it again\n")
        return 3
    if fault == "other-version":
        lsp_server.__version__ = "99.0.0"
        return main(arguments)
    if fault == "garbage":
        os.write(1, b"Welcome to the server!\r\n\r\n{not json\n" * 20)
    elif fault != "hang":
        raise ValueError(fault)
    while os.read(0, 1 << 16):
        continue
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], sys.argv[2:]))
