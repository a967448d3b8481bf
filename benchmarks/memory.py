"""How much memory a server takes while it works, and how fast that grows."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from benchmarks.figures import median
from benchmarks.side_channel import SideChannel

__all__ = ["MemoryReading", "growth_mib", "read_memory"]

_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReading:
    """The memory of the server and of the engine's processes, in MiB.

    Attributes:
        pairs: Requests and cancellations so far.
        server_found: What the server's process holds resident, as it was found.
        engine_found: What the processes below it hold.
        server: What the server's process holds once free memory was given back.
        engine: What the processes below it hold then.
        server_in_use: What the server has taken from the C allocator and not freed.
        engine_in_use: What the engine's workers have.
    """

    pairs: int
    server_found: float
    engine_found: float
    server: float
    engine: float
    server_in_use: float
    engine_in_use: float


async def read_memory(
    server_process_id: int, side: SideChannel, pairs: int
) -> MemoryReading:
    """Read once as it is, and once after free memory went back to the system.

    The two differ by what one step of the model takes and frees again: the C allocator
    keeps it, or gives it back, as the end of its heap happens to lie.
    """
    server_found, engine_found = _resident_mib(server_process_id)
    in_use = await side.heap_in_use_bytes()
    server, engine = _resident_mib(server_process_id)
    return MemoryReading(
        pairs=pairs,
        server_found=server_found,
        engine_found=engine_found,
        server=server,
        engine=engine,
        server_in_use=round(in_use["server"] / _MIB, 3),
        engine_in_use=round(in_use["engine"] / _MIB, 3),
    )


def _resident_mib(server_process_id: int) -> tuple[float, float]:
    """Return what the server and what the processes below it hold."""
    server = psutil.Process(server_process_id)
    below = sum(each.memory_info().rss for each in server.children(recursive=True))
    return round(server.memory_info().rss / _MIB, 2), round(below / _MIB, 2)


def growth_mib(readings: Sequence[tuple[int, float]]) -> float:
    """Return how fast a memory grows, in MiB for 1,000 pairs.

    The median of the slopes between all readings. A leak makes nearly all of them
    rise; an allocator that takes a larger piece once lifts only those across the step.

    Args:
        readings: Pairs so far, and MiB; two of them at least.

    Source: Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968.
    """
    slopes = [
        (late_mib - early_mib) / (late - early) * 1e3
        for (early, early_mib), (late, late_mib) in itertools.combinations(readings, 2)
    ]
    return round(median(slopes), 2)
