"""What a running daemon says of itself, its engines and its processes."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psutil

from lsp_server.engine import guard

if TYPE_CHECKING:
    # Whoever only reads a status does without them.
    from lsp_server.service.engine_host import EngineHost
    from lsp_server.service.engine_pool import EnginePool

__all__ = [
    "ConnectionStatus",
    "DaemonStatus",
    "EngineStatus",
    "ProcessStatus",
    "engine_statuses",
    "process_statuses",
]

_TRACKER = "multiprocessing.resource_tracker"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """A process of the daemon.

    Attributes:
        process_id: Its id.
        name: What it is.
        memory_bytes: Its resident memory.
    """

    process_id: int
    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """An engine.

    Attributes:
        model: The model's name.
        kind: vLLM, or scripted.
        state: "starting", "ready", "restarting", "failed" or "closed".
        what: What is happening, or what went wrong, as a clause; often empty.
        device: Where it runs; empty until it does.
        restarts: How often it was started again.
        connections: How many editors use it.
    """

    model: str
    kind: str
    state: str
    what: str
    device: str
    restarts: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStatus:
    """An editor's connection.

    Attributes:
        name: Its name in the log and in request ids.
        editor: The editor's name for itself; empty where it did not say.
        version: The editor's version; empty where it did not say.
        connected_s: For how long it has been connected, in seconds.
        documents: Open documents.
        requests: Requests for a completion until now.
        prompt_tokens: Tokens of their prompts.
        cached_tokens: How many of these the engine found in its prefix cache.
    """

    name: str
    editor: str
    version: str
    connected_s: float
    documents: int
    requests: int
    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    """A daemon at one moment.

    Attributes:
        version: Its version.
        process_id: Its process id.
        uptime_s: For how long it has run, in seconds.
        address: Where it listens.
        log: Its log file; empty for stderr.
        idle_exit_s: After how many seconds without an editor it ends; 0 never.
        engines: The engines, the oldest first.
        processes: The daemon's process and those below it.
        connections: The editors, the oldest first.
        warnings: What of its settings the daemon cannot do, and what to do about it.
    """

    version: str
    process_id: int
    uptime_s: float
    address: str
    log: str
    idle_exit_s: int
    engines: Sequence[EngineStatus]
    processes: Sequence[ProcessStatus]
    connections: Sequence[ConnectionStatus]
    warnings: Sequence[str]

    def values(self) -> dict[str, object]:
        """Return it in JSON's values."""
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> "DaemonStatus":
        """Read what `values` returned.

        Raises:
            TypeError: It is something else.
            KeyError: Something is missing.
        """
        plain: dict[str, Any] = {  # Any: JSON of a daemon of the same version
            **values,
            "engines": [EngineStatus(**each) for each in _rows(values, "engines")],
            "processes": [ProcessStatus(**each) for each in _rows(values, "processes")],
            "connections": [
                ConnectionStatus(**each) for each in _rows(values, "connections")
            ],
        }
        return cls(**plain)


def engine_statuses(
    pool: "EnginePool", editors_on: "Callable[[EngineHost], int]"
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


def _rows(values: Mapping[str, object], key: str) -> list[dict[str, Any]]:
    """Return a list of objects.

    Raises:
        TypeError: It is something else.
    """
    rows = values[key]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError(key)
    return rows


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
