"""How many files and sockets a server may have open: as many as its clients need."""

import logging
import resource

__all__ = ["LEAST_OPEN_FILES", "raise_open_files"]

_log = logging.getLogger(__name__)

LEAST_OPEN_FILES = 4096
"""Enough for 2,048 clients of the REST API, 512 editors and as many that wait."""


def raise_open_files() -> None:
    """Raise this process's soft limit to `LEAST_OPEN_FILES`, or to the hard limit.

    Many systems begin with 1,024, or 256. A server that runs out accepts nobody.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = LEAST_OPEN_FILES if hard == unlimited else min(LEAST_OPEN_FILES, hard)
    if soft != unlimited and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < LEAST_OPEN_FILES:
        _log.warning(
            "open_files.few", extra={"limit": wanted, "needed": LEAST_OPEN_FILES}
        )
