"""Ports for servers that have to be told theirs."""

import random
import socket
from contextlib import suppress
from pathlib import Path

__all__ = ["free_port"]


def free_port() -> int:
    """Return a port of loopback that nobody listens on.

    It is none of those that the system gives to connections, so that none has it by the
    time that a server listens there.
    """
    given = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    first, chance = int(given.split()[0]), random.SystemRandom()
    while True:
        port = chance.randrange(first // 2, first)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
