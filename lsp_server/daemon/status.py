"""What a running daemon says of itself, as JSON and for people."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["ConnectionStatus", "DaemonStatus", "EngineStatus", "ProcessStatus"]


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


def _rows(values: Mapping[str, object], key: str) -> list[dict[str, Any]]:
    """Return a list of objects.

    Raises:
        TypeError: It is something else.
    """
    rows = values[key]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError(key)
    return rows
