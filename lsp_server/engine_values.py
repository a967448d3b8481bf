"""The values in which an engine reports its device, its health and its start.

Plain data like `values`, for the layers between the engine and the user.
"""

import enum
from dataclasses import dataclass

__all__ = [
    "EngineHealth",
    "EngineInfo",
    "EngineNews",
    "EngineState",
    "StartStage",
]


class EngineState(enum.Enum):
    """Where an engine stands between its start and its end."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """The engine's identity, for people and logs.

    Attributes:
        name: ``vllm`` or ``scripted``.
        version: The engine's own version.
        device: ``cpu`` or ``cuda``.
        max_model_len: The most tokens of prompt and output together.
        kernel: The linear kernel in use, where the engine tells it.
    """

    name: str
    version: str
    device: str
    max_model_len: int
    kernel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHealth:
    """The state of an engine, and its load.

    Attributes:
        state: Where it stands.
        requests_in_flight: Requests that it still works on.
        detail: A clause for people; empty when all is well.
        cpu_s: Processor time of its processes, in seconds; None where it is not known.
    """

    state: EngineState
    requests_in_flight: int
    detail: str = ""
    cpu_s: float | None = None


class StartStage(enum.Enum):
    """The stages of an engine's start, in their order."""

    VERIFY = "verify"
    IMPORT = "import"
    SPAWN = "spawn"
    WEIGHTS = "weights"
    WARM_UP = "warm-up"
    PROBE = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineNews:
    """A change of an engine's state, reported to the user.

    Attributes:
        state: Where the engine stands.
        what: What happens or happened, as a clause without a full stop.
        remedy: What the user can do about it, as a clause; empty where nothing.
        percent: How much of a start is done; None outside of a start, also where
            ``RESTARTING`` says why there has to be one.
        restarts: Restarts in a row while ``RESTARTING``; in all once ``READY``.
        model: The name of a ready engine's model; empty in other states.
        device: Where a ready engine runs; empty in other states.
    """

    state: EngineState
    what: str
    remedy: str = ""
    percent: int | None = None
    restarts: int = 0
    model: str = ""
    device: str = ""
