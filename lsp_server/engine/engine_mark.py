"""How a process is known to belong to an engine.

The server puts a mark into the environment that its engine's processes inherit. The
guard finds by it whom to kill (`guard`), and code that vLLM runs in every process finds
out by it where it is.

This module does not know vLLM.
"""

import os

__all__ = ["OWNER_VARIABLE", "is_engine_process"]

#: The server's process id, a dash, and what tells one start of an engine from another.
#: Without it vLLM was started by somebody else, whose business it is.
OWNER_VARIABLE = "MIDFILL_ENGINE_OWNER"


def is_engine_process() -> bool:
    """Whether this process belongs to an engine that another process started."""
    owner = os.environ.get(OWNER_VARIABLE)
    return owner is not None and owner.partition("-")[0] != str(os.getpid())
