"""What the queue costs per request, with nothing, much and very much waiting.

Run it with ``python -m benchmarks.admission``; ``--help`` lists the options.

The engine answers with one token after one turn of the event loop, so that all that is
measured is Python's work round it. As many clients as shall wait, and one more, ask
again and again, each a user of its own: on the bare engine, and through an `Admission`
that lets one request run at a time. The two alternate, and the differences count.
"""

import argparse
import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from benchmarks.figures import circumstances, median, table, write_result
from lsp_server.config import AdmissionConfig
from lsp_server.engine.base import Engine
from lsp_server.engine_values import EngineHealth, EngineInfo, EngineState
from lsp_server.service.admission import Admission
from lsp_server.values import FinishReason, GenerationRequest, TokenDelta

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_WAITING = (0, 1, 100, 256)
_END = TokenDelta(token_ids=(1,), finish_reason=FinishReason.LENGTH)


class OneTokenEngine:
    """An engine whose every answer is one token."""

    @property
    def info(self) -> EngineInfo:
        """Name and version."""
        return EngineInfo(name="bare", version="1", device="cpu", max_model_len=8)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:  # noqa: ARG002 - all are answered alike
        """Answer after one turn of the event loop."""
        await asyncio.sleep(0)
        yield _END

    async def abort(self, request_id: str) -> None:
        """Ignore it: nothing takes long enough."""

    async def health(self) -> EngineHealth:
        """Return that all is well."""
        return EngineHealth(state=EngineState.READY, requests_in_flight=0)

    async def close(self) -> None:
        """Do nothing."""


async def _ask(engine: Engine, user: int, requests: int) -> None:
    for number in range(requests):
        request = GenerationRequest(
            request_id=f"{user}-{number}",
            token_ids=(1,),
            max_tokens=1,
            user=str(user),
        )
        async with aclosing(engine.generate(request)) as deltas:
            async for _ in deltas:
                pass


async def _round_us(engine: Engine, clients: int, requests: int) -> float:
    """Return how long a request takes with so many clients, in microseconds."""
    gc.collect()
    each = max(1, requests // clients)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for user in range(clients):
            group.create_task(_ask(engine, user, each))
    return (time.perf_counter() - began) / (each * clients) * 1e6


async def _measure(
    waiting: int, requests: int, rounds: int
) -> dict[str, float | list[float]]:
    clients = waiting + 1
    config = AdmissionConfig(max_wait_ms=0, queue_length=1000)
    bare: Engine = OneTokenEngine()
    queued: Engine = Admission(OneTokenEngine(), config, running_limit=1)
    times: dict[str, list[float]] = {"bare_us": [], "queued_us": []}
    for _ in range(rounds):
        times["bare_us"].append(await _round_us(bare, clients, requests))
        times["queued_us"].append(await _round_us(queued, clients, requests))
    pairs = zip(times["queued_us"], times["bare_us"], strict=True)
    overheads = [queued - bare for queued, bare in pairs]
    return {
        "waiting": waiting,
        **{name: round(median(values), 2) for name, values in times.items()},
        "overhead_us": round(median(overheads), 2),
        "overheads_us": [round(each, 2) for each in sorted(overheads)],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table and write a result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="of a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=_RESULTS / "admission.json")
    chosen = parser.parse_args(arguments)
    rows = [
        asyncio.run(_measure(waiting, chosen.requests, chosen.rounds))
        for waiting in _WAITING
    ]
    head = ["waiting", "bare_us", "queued_us", "overhead_us"]
    print(table(head, [[str(row[name]) for name in head] for row in rows]))
    write_result(
        chosen.out,
        {
            "circumstances": circumstances(),
            "requests": chosen.requests,
            "rounds": chosen.rounds,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
