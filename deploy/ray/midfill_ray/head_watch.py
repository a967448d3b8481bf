"""Waits until a Ray's head is lost, and says once what that means.

Replicas and proxies go on without the head's GCS, for a minute: then Ray ends every
process that has not found it again, this one with a line about its own sources. Before
that the command ends by itself, with a sentence and a status.
"""

import os
import socket
import time
from collections.abc import Callable

from lsp_server.errors import EngineDeadError

__all__ = ["wait_for_loss"]

_INTERVAL_S = 1.0
_PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"
_PATIENCE_S = 60.0
_END_S = 15.0
"""How much earlier than Ray the command gives up: it takes eight seconds to end."""


def wait_for_loss(
    address: str,
    say: Callable[[str], object],
    *,
    answers: Callable[[str], bool] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until the head has been lost for too long, and raise; never return.

    Args:
        address: ``HOST:PORT`` of the head's GCS.
        say: Takes a sentence for people, when the head is lost and when it is back.
        answers: Returns whether something listens there.
        sleep: Waits for some seconds.
        clock: Returns monotonic time in seconds.

    Raises:
        EngineDeadError: The head did not come back.
    """
    limit_s = float(os.environ.get(_PATIENCE, _PATIENCE_S)) - _END_S
    lost_s: float | None = None
    while lost_s is None or clock() - lost_s < limit_s:
        if (answers or _listens)(address):
            if lost_s is not None:
                say("Ray's head answers again.")
            lost_s = None
        elif lost_s is None:
            lost_s = clock()
            say(
                f"Ray's head at {address} does not answer. Requests are still "
                f"answered; if it is not back in {limit_s:.0f} s, everything ends."
            )
        sleep(_INTERVAL_S)
    raise EngineDeadError(
        f"it has not answered for {limit_s:.0f} s",
        subject=f"Ray's head at {address}",
        remedy="Start `midfill ray serve` again, or have systemd do it; on "
        "Kubernetes, KubeRay does. gcs_server.out in Ray's logs says why it ended",
    )


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_INTERVAL_S).close()
    except OSError:
        return False
    return True
