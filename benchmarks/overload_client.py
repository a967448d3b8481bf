"""Sends completions of many users, for `overload`; and answers them with nothing."""

import asyncio
import contextlib
import itertools
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.workload import places
from lsp_server.config import SHIPPED_MODEL

__all__ = ["Client", "Sample", "serve_bare"]

_PREFIX_CHARS, _SUFFIX_CHARS, _OUTPUT_TOKENS = 2000, 400, 16
_BARE_ANSWER = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request: its response's status, and how long that took."""

    status: int
    took_ms: float


class Client:
    """Sends completions of many users over connections that stay open.

    Args:
        port: The server's port on this machine.
        secrets: The users' API keys.
        seed: Decides the places.
    """

    def __init__(self, port: int, secrets: Sequence[str], seed: int) -> None:
        """Choose a place for each user."""
        self._port = port
        self._users = [
            (secret, place)
            for secret, place in zip(secrets, places(seed), strict=False)
        ]
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._numbers = itertools.count()
        self.samples: list[Sample] = []

    async def complete(self, user: int) -> None:
        """Ask for what a user gets, who has typed a little since."""
        request = self._request(user % len(self._users), next(self._numbers))
        began_s = time.perf_counter()
        reader, writer = await self._connection()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        await reader.readexactly(length)
        took_ms = (time.perf_counter() - began_s) * 1e3
        self.samples.append(Sample(status=int(head.split()[1]), took_ms=took_ms))
        if "connection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection that nobody uses, the one that was used last first."""
        while self._idle:
            reader, writer = self._idle.pop()
            # The server closes those that are idle for long.
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    def _request(self, user: int, number: int) -> bytes:
        secret, place = self._users[user]
        before = place.text[: place.offset][-_PREFIX_CHARS:]
        body = {
            "model": SHIPPED_MODEL,
            "prompt": f"{before}{place.key}v{number}",
            "suffix": place.text[place.offset :][:_SUFFIX_CHARS],
            "max_tokens": _OUTPUT_TOKENS,
        }
        data = json.dumps(body).encode()
        return (
            f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Authorization: Bearer {secret}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        ).encode() + data

    async def keep_busy(self, workers: int, seconds: float) -> float:
        """Keep so many requests in flight, and return how many ended per second."""
        self.samples = []
        began_s = time.perf_counter()

        async def work(user: int) -> None:
            while time.perf_counter() - began_s < seconds:
                await self.complete(user)
                user += workers

        async with asyncio.TaskGroup() as group:
            for user in range(workers):
                group.create_task(work(user))
        return len(self.samples) / (time.perf_counter() - began_s)

    async def flood(self, rate: float, seconds: float, chance: random.Random) -> None:
        """Send requests at random moments, so many per second on average."""
        self.samples = []
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        end_s = next_s + seconds
        async with asyncio.TaskGroup() as group:
            while next_s < end_s:
                await asyncio.sleep(next_s - loop.time())
                group.create_task(self.complete(chance.randrange(len(self._users))))
                next_s += chance.expovariate(rate)


async def serve_bare() -> None:
    """Answer every request at once, until stdin ends; write the port when ready."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The end of the loop is the end of this; Python 3.11 would log it as a fault.
        with contextlib.suppress(EOFError, OSError, asyncio.CancelledError):
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                length = head.partition(b"content-length: ")[2].partition(b"\r")[0]
                await reader.readexactly(int(length))
                writer.write(_BARE_ANSWER)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        sys.stdout.write(json.dumps({"port": port, "width": 0}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
