"""Measures how long the server answers nobody while its engine loads.

Run it with ``python -m benchmarks.loop_blocks``; ``--help`` lists the options.

A question that costs nothing is asked over and over, from ``initialized`` until the
engine is ready: each one waits until the loop and the interpreter are free. The longest
answer is the longest block that an editor meets. Then ``shutdown`` is asked and ``exit``
said, and what is left behind is looked for.
"""

import argparse
import asyncio
import dataclasses
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figures import circumstances, percentile, table, write_result
from lsp_server.protocol.client_connection import Connection
from lsp_server.protocol.client_introduction import introduction
from lsp_server.protocol.client_news import ServerNews
from lsp_server.protocol.convert import PositionEncoding

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_READY_TIMEOUT_S = 600.0
_PAUSE_S = 0.005
_LONG_MS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What one start of a server was like for its editor.

    Attributes:
        ready_s: From ``initialize`` to a ready engine, in seconds.
        answers: Questions that were asked and answered meanwhile.
        p99_ms: 99 of 100 answers came within this, in milliseconds.
        longest_ms: The longest answer, in milliseconds.
        long_answers: When, in seconds, an answer took more than 100 ms, and how long.
        tcp_ports: TCP sockets that server and engine listen on.
        shutdown_ms: ``shutdown`` until its answer, in milliseconds.
        exit_ms: ``exit`` until server and engine were gone, in milliseconds.
    """

    ready_s: float
    answers: int
    p99_ms: float
    longest_ms: float
    long_answers: list[tuple[float, float]]
    tcp_ports: int
    shutdown_ms: float
    exit_ms: float


async def _one_start(log: Path) -> Start:
    """Start a server with the real engine, and ask until it is ready."""
    news = ServerNews()
    connection = await Connection.open(
        [sys.executable, "-m", "lsp_server", "serve", "--stdio"],
        stderr_path=log,
        environment=None,
        on_notification=news.hear,
    )
    try:
        await connection.request("initialize", _introduction())
        began_at = time.perf_counter()
        connection.notify("initialized", {})
        answers: list[tuple[float, float]] = []
        async with asyncio.timeout(_READY_TIMEOUT_S):
            while not (news.ready.is_set() and news.loading_seen):
                asked_at = time.perf_counter()
                await connection.send_request("midfill/nothing", None)[1]
                took_ms = (time.perf_counter() - asked_at) * 1e3
                answers.append((asked_at - began_at, took_ms))
                await asyncio.sleep(_PAUSE_S)
        ready_s = time.perf_counter() - began_at
        server = psutil.Process(connection.process_id)
        below = server.children(recursive=True)
        ports = _listening([server, *below])
        shutdown_ms = await _timed(connection)
        said_at = time.perf_counter()
        connection.notify("exit", None)
        await connection.wait_exit()
        await asyncio.to_thread(psutil.wait_procs, below, timeout=30)
        exit_ms = (time.perf_counter() - said_at) * 1e3
    finally:
        await connection.kill()
    times = [took for _, took in answers]
    return Start(
        ready_s=round(ready_s, 1),
        answers=len(answers),
        p99_ms=round(percentile(times, 99), 1),
        longest_ms=round(max(times), 1),
        long_answers=[
            (round(at, 2), round(took)) for at, took in answers if took > _LONG_MS
        ],
        tcp_ports=ports,
        shutdown_ms=round(shutdown_ms, 1),
        exit_ms=round(exit_ms, 1),
    )
