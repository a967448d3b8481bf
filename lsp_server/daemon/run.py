"""Runs the daemon in this process: settings, lock, log, engines."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from lsp_server.config import Config
from lsp_server.daemon.endpoint import Endpoint, find_endpoint
from lsp_server.daemon.listen_rest import rest_api
from lsp_server.daemon.lock import DaemonLock, holder
from lsp_server.daemon.open_files import raise_open_files
from lsp_server.daemon.process import Daemon, LogFile
from lsp_server.errors import ConfigError, DaemonError
from lsp_server.history.store import EventStore, events_folder
from lsp_server.observability.observe import Observability, observed
from lsp_server.protocol import watchdog
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["run_daemon"]

_log = logging.getLogger(__name__)

_END_DEADLINE_S = 15.0
"""What has not ended by then is killed."""


def run_daemon(
    *,
    config_file: Path | None,
    log_path: Path | None,
    lock_fd: int | None,
    loads: bool,
) -> NoReturn:
    """Run the daemon until it is stopped, then end the process.

    Args:
        config_file: The TOML file with the daemon's settings; None for the user's.
        log_path: The file for the log; None for stderr.
        lock_fd: The lock that the starting process has handed on; None to take it.
        loads: Whether an engine is loaded at once, with the settings of this process.

    Raises:
        DaemonError: Another process is the daemon, or it cannot listen.
        OSError: The log cannot be written.
    """
    endpoint = find_endpoint()
    lock = _lock(endpoint, lock_fd)
    lock.hold()
    log_file = LogFile(log_path) if log_path else None
    if log_file is not None:
        log_file.open()
    resolved = resolve(server_layers(config_file))
    configure_logging(resolved.config.log.level, sys.stderr)
    for problem in resolved.problems:
        _log.warning("daemon.setting", extra={"problem": str(problem)})
    raise_open_files()
    config = resolved.config
    with observed(config.metrics, is_served=bool(config.rest.listen)) as measured:
        serving = _serve(
            config,
            endpoint,
            log_file,
            log_path,
            measured,
            problems=resolved.problems,
            loads=loads,
        )
        asyncio.run(serving)
    # Not by way of the interpreter's own end, which waits for threads.
    logging.shutdown()
    os._exit(0)


async def _serve(
    config: Config,
    endpoint: Endpoint,
    log_file: LogFile | None,
    log_path: Path | None,
    measured: Observability,
    *,
    problems: Sequence[ConfigError],
    loads: bool,
) -> None:
    """Serve until the end."""
    pool = EnginePool(
        partial(starter_of, stats=measured.vllm),
        max_engines=config.daemon.max_engines,
        admission=config.admission,
        metrics=measured.metrics,
    )
    store = EventStore(events_folder())
    # Clients of the REST API come and go without the daemon's knowing.
    idle_exit_s = 0 if config.rest.listen else config.daemon.idle_exit_s
    daemon = Daemon(
        replace(config.daemon, idle_exit_s=idle_exit_s),
        endpoint,
        pool,
        log_file=log_file,
        log_name=str(log_path or ""),
        drain_s=config.admission.drain_ms / 1e3,
        on_end=lambda: watchdog.arm(0, deadline_s=_END_DEADLINE_S),
        feedback=partial(
            SuggestionFeedback,
            measured.metrics,
            store=store,
            kept_after_s=config.metrics.kept_after_s,
        ),
    )
    for problem in problems:
        daemon.warn(str(problem))
    if loads:
        # It runs on without an editor, and goes to the first that fits.
        pool.acquire(config).release()
    async with rest_api(
        config,
        pool,
        metrics=measured.metrics,
        render_metrics=measured.render,
        on_refused=lambda why: daemon.warn(f"the REST API is not served: {why}"),
    ):
        await daemon.serve()
    await asyncio.to_thread(store.close)


def _lock(endpoint: Endpoint, handed_on: int | None) -> DaemonLock:
    """Return the daemon's lock.

    Raises:
        DaemonError: Another process holds it, or what was handed on is another lock.
    """
    if handed_on is not None:
        if not os.path.samestat(os.fstat(handed_on), endpoint.lock_path.stat()):
            raise DaemonError(
                "the lock that was handed on is not this daemon's",
                subject=str(endpoint.lock_path),
                remedy="Start it with `midfill daemon start`",
            )
        return DaemonLock.adopt(handed_on)
    lock = DaemonLock.take(endpoint.lock_path)
    if lock is None:
        process_id = holder(endpoint.lock_path)
        who = f"process {process_id}" if process_id else "another process"
        raise DaemonError(
            f"{who} is the daemon already",
            subject=str(endpoint.lock_path),
            remedy="End it with `midfill daemon stop`",
        )
    return lock
