"""No engine process outlives the server that started it.

vLLM ends its processes when its front end is shut down, and a worker when its engine
core ends; but the engine core itself does not see a front end that was killed, and
would hold the model and the GPU for ever.

This module does not know vLLM. It serves every child that `multiprocessing` started.
"""

import multiprocessing
import os
import signal
import threading

__all__ = ["OWNER_VARIABLE", "end_with_parent", "is_engine_process"]

#: Set to the server's process id in the environment that engine processes inherit.
#: Without it vLLM was started by somebody else, whose business its end is.
OWNER_VARIABLE = "MIDFILL_ENGINE_OWNER"

_THREAD_NAME = "midfill-orphan"


def is_engine_process() -> bool:
    """Whether this process belongs to an engine that another process started."""
    owner = os.environ.get(OWNER_VARIABLE)
    return owner is not None and owner != str(os.getpid())


def end_with_parent() -> None:
    """Let this process be killed as soon as its parent process is gone.

    Does nothing in the server itself, and in processes of an engine that is not
    Midfill's. The kernel's own parent-death signal is no use here: it fires when the
    *thread* that started the child ends, and engines are started in a thread.
    """
    parent = multiprocessing.parent_process()
    if parent is None or not is_engine_process():
        return
    if any(thread.name == _THREAD_NAME for thread in threading.enumerate()):
        return

    def wait_and_end() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait_and_end, name=_THREAD_NAME, daemon=True).start()
