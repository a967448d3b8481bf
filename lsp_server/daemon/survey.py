"""Looks at the daemon's engines and processes."""

import os
from collections.abc import Callable

import psutil

from lsp_server.daemon.status import EngineStatus, ProcessStatus
from lsp_server.engine import guard
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_pool import EnginePool

__all__ = ["engine_statuses", "process_statuses"]


_TRACKER = "multiprocessing.resource_tracker"


def engine_statuses(
    pool: EnginePool, editors_on: Callable[[EngineHost], int]
) -> list[EngineStatus]:
    """Describe the engines of a pool, the oldest first.

    Args:
        pool: The engines.
        editors_on: Returns how many editors use one.
    """
    return [
        EngineStatus(
            model=host.model_name,
            kind=host.config.engine.kind.value,
            state=host.news.state.value,
            what=host.news.what,
            device=host.news.device,
            restarts=host.news.restarts,
            connections=editors_on(host),
        )
        for host in pool.hosts
    ]


def process_statuses() -> list[ProcessStatus]:
    """Describe this process, then those that it has started and that still run."""
    this = psutil.Process(os.getpid())
    found = [_described(each) for each in (this, *this.children(recursive=True))]
    return [each for each in found if each is not None]


def _described(process: psutil.Process) -> ProcessStatus | None:
    """Describe a process; None if it has ended."""
    try:
        with process.oneshot():
            return ProcessStatus(
                process_id=process.pid,
                name=_name(process),
                memory_bytes=process.memory_info().rss,
            )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _name(process: psutil.Process) -> str:
    """Return what a process is: this one, or one that an engine has started."""
    if process.pid == os.getpid():
        return "daemon"
    words = process.cmdline()
    if guard.__file__ in words:
        return "guard"
    if any(_TRACKER in word for word in words):
        return "engine's resource tracker"
    return "engine"
