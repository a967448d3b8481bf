"""A socket beside the protocol, through which a benchmark asks the engine directly.

One JSON object a line, answered by one JSON value a line, in order.
"""

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.engine_tap import EngineTap, RawOrder, RawTimes, Seen

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

__all__ = ["SideChannel", "serve_side_channel"]

_LINE_BYTES = 1 << 24


async def serve_side_channel(path: Path, tap: EngineTap) -> asyncio.Server:
    """Answer on a Unix socket, on the event loop that the server runs on."""

    async def talk(reader: "StreamReader", writer: "StreamWriter") -> None:
        while line := await reader.readline():
            answer = await _answer(tap, json.loads(line))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(talk, path, limit=_LINE_BYTES)


async def _answer(tap: EngineTap, order: dict[str, object]) -> object:
    match order:
        case {"do": "seen", "request_id": str(request_id)}:
            return dataclasses.asdict(tap.seen.pop(request_id))
        case {"do": "taken"}:
            taken = [dataclasses.asdict(each) for each in tap.seen.values()]
            tap.seen.clear()
            return taken
        case {"do": "forget"}:
            return await tap.forget()
        case {"do": "unfinished"}:
            return tap.unfinished()
        case {"do": "info"}:
            return dataclasses.asdict(tap.info)
    return await _raw_answer(tap, order)


async def _raw_answer(tap: EngineTap, order: dict[str, object]) -> object:
    """Answer what is asked past the server."""
    match order:
        case {"do": "raw", "orders": list(orders)}:
            times = await tap.generate_raw([RawOrder(**each) for each in orders])
            return [dataclasses.asdict(each) for each in times]
        case {"do": "raw until stopped", "order": dict(values)}:
            raw = await tap.generate_raw_until_stopped(RawOrder(**values))
            return raw and dataclasses.asdict(raw)
        case {"do": "stop raw"}:
            tap.stop_raw()
            return None
        case {"do": "heap"}:
            return await tap.heap_in_use_bytes()
    raise ValueError("the order is not known")


class SideChannel:
    """The benchmark's end of the socket."""

    def __init__(self, reader: "StreamReader", writer: "StreamWriter") -> None:
        """Take over a connection; `open` makes one."""
        self._reader = reader
        self._writer = writer

    async def another(self) -> "SideChannel":
        """Connect once more, to ask while this connection waits for an answer."""
        return await self.open(Path(self._writer.get_extra_info("peername")))

    @classmethod
    async def open(cls, path: Path) -> "SideChannel":
        """Connect to a server whose engine is ready."""
        return cls(*await asyncio.open_unix_connection(path, limit=_LINE_BYTES))

    async def raw(self, orders: list[RawOrder]) -> list[RawTimes]:
        """Run all orders at once on `AsyncLLM`."""
        values = [dataclasses.asdict(order) for order in orders]
        answer = await self._ask({"do": "raw", "orders": values})
        return [RawTimes(**each) for each in answer]

    async def raw_until_stopped(self, order: RawOrder) -> RawTimes | None:
        """Run one order on `AsyncLLM`; None if `stop_raw` ended it.

        No other question is answered on this connection meanwhile.
        """
        values = dataclasses.asdict(order)
        answer = await self._ask({"do": "raw until stopped", "order": values})
        return RawTimes(**answer) if answer else None

    async def stop_raw(self) -> None:
        """End what another connection's `raw_until_stopped` waits for."""
        await self._ask({"do": "stop raw"})

    async def taken(self) -> list[Seen]:
        """Return what the engine saw since the last call."""
        return [Seen(**each) for each in await self._ask({"do": "taken"})]

    async def seen(self, request_id: str) -> Seen:
        """Return what the engine saw of a request, once."""
        return Seen(**await self._ask({"do": "seen", "request_id": request_id}))

    async def forget(self) -> bool:
        """Forget all prompts; False if a request still holds memory."""
        return bool(await self._ask({"do": "forget"}))

    async def heap_in_use_bytes(self) -> dict[str, int]:
        """Free unused memory in server and workers; return the bytes in use of each."""
        return dict(await self._ask({"do": "heap"}))

    async def unfinished(self) -> int:
        """How many requests vLLM has not ended."""
        return int(await self._ask({"do": "unfinished"}))

    async def info(self) -> dict[str, object]:
        """What the engine is."""
        return dict(await self._ask({"do": "info"}))

    def close(self) -> None:
        """End the connection."""
        self._writer.close()

    async def _ask(self, order: dict[str, object]) -> Any:  # noqa: ANN401 - JSON, read by its one caller
        self._writer.write(json.dumps(order).encode() + b"\n")
        line = await self._reader.readline()
        if not line:
            raise ConnectionError("the server closed the side channel")
        return json.loads(line)
