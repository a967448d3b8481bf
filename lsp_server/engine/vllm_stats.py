"""What vLLM says of its own work, where its statistics are on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm.outputs import RequestOutput

__all__ = ["queued_ms"]


def queued_ms(output: "RequestOutput") -> float | None:
    """Return how long a request waited in vLLM to be scheduled, in milliseconds.

    None where vLLM keeps no statistics, and for a request that was aborted before.
    """
    stats = output.metrics
    if stats is None or not stats.scheduled_ts:
        return None
    return max(0.0, float(stats.scheduled_ts - stats.queued_ts) * 1e3)
