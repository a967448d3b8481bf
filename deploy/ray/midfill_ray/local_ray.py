"""Starts a Ray on this machine, and again where it is slower than Ray waits for it."""

import contextlib
import os
import types
from collections.abc import Callable, Mapping

import psutil

from lsp_server.errors import EngineStartError

__all__ = ["TRIES", "start_ray"]

TRIES = 5
"""Each lasts for the 30 seconds that Ray gives its processes, which is no setting. What
one has read from the disk the next one finds in memory.
"""

_TOO_SLOW = "timed out during startup"
"""What Ray says where its processes are not there in time; it has no class for that."""

_PATIENCE: Mapping[str, str] = types.MappingProxyType(
    {
        # How long to wait for the head's port, and then to connect to it (30, 20).
        "RAY_gcs_server_port_wait_time_s": "120",
        # After how long Serve kills a proxy that starts (5), of the 60 it has in all.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "50",
    }
)
"""The limits of Ray's that are settings."""


def start_ray(init: Callable[[], object], say: Callable[[str], object]) -> None:
    """Start a Ray, and leave no process behind where it does not start.

    Args:
        init: Calls `ray.init`.
        say: Takes a sentence for people where it takes long.

    Raises:
        EngineStartError: It does not start.
    """
    for name, seconds in _PATIENCE.items():
        os.environ.setdefault(name, seconds)
    others = set(psutil.Process().children())
    for number in range(1, TRIES + 1):
        try:
            init()
        except Exception as error:
            _kill_all_but(others)
            is_slow = _TOO_SLOW in str(error)
            if not is_slow or number == TRIES:
                raise EngineStartError(
                    f"it has not started in {TRIES} tries" if is_slow else str(error),
                    subject="Ray",
                    remedy="Try again when the machine has less to do; raylet.out and "
                    "gcs_server.out in the newest folder of Ray's logs say more",
                ) from error
            say(
                "Ray's processes are not there after 30 s: this machine is slow or "
                f"busy. They are started again, try {number + 1} of {TRIES}."
            )
        else:
            return


def _kill_all_but(others: set[psutil.Process]) -> None:
    """End what Ray has started: it leaves that to itself."""
    started = set(psutil.Process().children()) - others
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):  # it may just have ended
            process.kill()
    psutil.wait_procs(list(started))
