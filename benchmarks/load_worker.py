"""One of the processes that the typists are spread over; `load` starts them.

Reads an order, a line of JSON on stdin, says ``ready`` when its typists are connected,
begins at the moment that the next line names, and prints its records as JSON.
"""

import asyncio
import dataclasses
import gc
import json
import os
import sys
import time
from typing import Any

from benchmarks.load_clients import (
    Record,
    RestClient,
    TypistClient,
    type_for,
)
from benchmarks.load_editor import Editor
from benchmarks.typist import Typist

__all__ = ["main"]


async def _run(order: dict[str, Any]) -> list[Record]:
    typists = {
        number: Typist(order["seed"], number, order["interval_s"])
        for number in order["numbers"]
    }
    clients = {number: _client(order, number) for number in typists}
    async with asyncio.TaskGroup() as group:
        for number, typist in typists.items():
            group.create_task(clients[number].open(typist))
    print("ready", flush=True)
    start_s = float(await asyncio.to_thread(sys.stdin.readline))
    # A collection would hold every typist of this process back.
    gc.freeze()
    gc.disable()
    await asyncio.sleep(max(0.0, start_s - time.perf_counter()))
    until_s = start_s + order["seconds"]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(type_for(clients[number], typist, number, until_s))
            for number, typist in typists.items()
        ]
    for client in clients.values():
        await client.close()
    return [record for task in tasks for record in task.result()]


def _client(order: dict[str, Any], number: int) -> TypistClient:
    if order["route"] == "rest":
        return RestClient(
            order["url"],
            order["key"],
            max_tokens=order["max_tokens"],
            prompt_tokens=order["prompt_tokens"],
        )
    return Editor(order["socket"], os.environ, cancels=number % 2 == 0)


def main() -> int:
    """Do what the order says, and return the exit status."""
    records = asyncio.run(_run(json.loads(sys.stdin.readline())))
    print(json.dumps([dataclasses.asdict(record) for record in records]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
