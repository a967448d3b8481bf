"""Looks at the daemon's engines and processes."""

import os

import psutil

from lsp_server.daemon.status import EngineStatus, ProcessStatus
from lsp_server.service.engine_pool import EnginePool

__all__ = ["engine_statuses", "process_statuses"]


def engine_statuses(pool: EnginePool) -> list[EngineStatus]:
    """Describe the engines of a pool, the oldest first."""
    return [
        EngineStatus(
            model=host.model_name,
            kind=host.config.engine.kind.value,
            state=host.news.state.value,
            what=host.news.what,
            device=host.news.device,
            restarts=host.news.restarts,
            connections=pool.leases_of(host),
        )
        for host in pool.hosts
    ]


def process_statuses() -> list[ProcessStatus]:
    """Describe this process, then those that it has started and that still run."""
    this = psutil.Process(os.getpid())
    found = [_described(this, "daemon")]
    found += [_described(child) for child in this.children(recursive=True)]
    return [each for each in found if each is not None]


def _described(process: psutil.Process, name: str = "") -> ProcessStatus | None:
    """Describe a process; None if it has ended."""
    try:
        with process.oneshot():
            return ProcessStatus(
                process_id=process.pid,
                name=name or process.name(),
                memory_bytes=process.memory_info().rss,
            )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
