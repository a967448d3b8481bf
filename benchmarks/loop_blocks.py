"""Measures how long the server answers nobody while its engine loads.

Run it with ``python -m benchmarks.loop_blocks``; ``--help`` lists the options.

A question that costs nothing is asked over and over, from ``initialized`` until the
engine is ready: each one waits until the loop and the interpreter are free. The longest
answer is the longest block that an editor meets. Then ``shutdown`` is asked, ``exit``
is said, and the ends of the processes are waited for.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from lsprotocol import types

from benchmarks.figures import circumstances, percentile, table, write_result
from lsp_server.client.news import ServerNews, introduction
from lsp_server.client.server_process import ServerProcess
from lsp_server.errors import AnswerError
from lsp_server.protocol.lines import PositionEncoding

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_READY_TIMEOUT_S = 600.0
_PAUSE_S = 0.005
_LONG_MS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question and its answer.

    Attributes:
        at_s: When it was asked, in seconds after ``initialized``.
        took_ms: How long the answer took, in milliseconds.
        control_ms: By how much this benchmark's own sleep was late right afterwards,
            in milliseconds: what the machine's other work costs anybody.
    """

    at_s: float
    took_ms: float
    control_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What one start of a server was like for its editor.

    Attributes:
        ready_s: From ``initialize`` to a ready engine, in seconds.
        answers: Questions that were asked and answered meanwhile.
        p99_ms: 99 of 100 answers came within this, in milliseconds.
        longest_ms: The longest answer, in milliseconds.
        long_answers: Those that took more than 100 ms.
        control_ms: The longest delay of the benchmark's own loop, in milliseconds.
        tcp_ports: TCP sockets that server and engine listen on.
        shutdown_ms: ``shutdown`` until its answer, in milliseconds.
        exit_ms: ``exit`` until the server was gone, in milliseconds.
        gone_ms: ``exit`` until every process below it was, in milliseconds.
    """

    ready_s: float
    answers: int
    p99_ms: float
    longest_ms: float
    long_answers: list[Answer]
    control_ms: float
    tcp_ports: int
    shutdown_ms: float
    exit_ms: float
    gone_ms: float


async def _one_start(log: Path) -> Start:
    """Start a server with the real engine, and ask until it is ready."""
    news = ServerNews()
    connection = await ServerProcess.open(
        [sys.executable, "-m", "lsp_server", "serve", "--stdio"],
        stderr_path=log,
        environment=None,
        news=news,
    )
    try:
        params = introduction(PositionEncoding.UTF16, {"daemon": {"mode": "never"}})
        await connection.request(types.INITIALIZE, params)
        began_at = time.perf_counter()
        connection.notify(types.INITIALIZED, types.InitializedParams())
        answers = await _ask_until_ready(connection, news, began_at)
        ready_s = time.perf_counter() - began_at
        server = psutil.Process(connection.process_id)
        below = server.children(recursive=True)
        ports = _listening([server, *below])
        asked_at = time.perf_counter()
        await connection.request("shutdown", None)
        answered_at = time.perf_counter()
        connection.notify("exit", None)
        await connection.wait_exit()
        ended_at = time.perf_counter()
        await asyncio.to_thread(psutil.wait_procs, below, timeout=30)
        gone_at = time.perf_counter()
    finally:
        await connection.kill()
    times_ms = [answer.took_ms for answer in answers]
    return Start(
        ready_s=round(ready_s, 1),
        answers=len(answers),
        p99_ms=round(percentile(times_ms, 99), 1),
        longest_ms=round(max(times_ms), 1),
        long_answers=[a for a in answers if a.took_ms > _LONG_MS],
        control_ms=round(max(answer.control_ms for answer in answers), 1),
        tcp_ports=ports,
        shutdown_ms=round((answered_at - asked_at) * 1e3, 1),
        exit_ms=round((ended_at - answered_at) * 1e3, 1),
        gone_ms=round((gone_at - answered_at) * 1e3, 1),
    )


async def _ask_until_ready(
    connection: ServerProcess, news: ServerNews, began_at: float
) -> list[Answer]:
    """Ask what costs nothing, over and over."""
    answers: list[Answer] = []
    async with asyncio.timeout(_READY_TIMEOUT_S):
        while not news.ready.is_set():
            asked_at = time.perf_counter()
            with contextlib.suppress(AnswerError):
                await connection.request("midfill/nothing", None)
            answered_at = time.perf_counter()
            await asyncio.sleep(_PAUSE_S)
            late_s = time.perf_counter() - answered_at - _PAUSE_S
            answers.append(
                Answer(
                    at_s=round(asked_at - began_at, 2),
                    took_ms=round((answered_at - asked_at) * 1e3, 1),
                    control_ms=round(late_s * 1e3, 1),
                )
            )
    return answers


def _listening(processes: Sequence[psutil.Process]) -> int:
    """Count the TCP sockets that processes listen on."""
    return sum(
        connection.status == psutil.CONN_LISTEN
        for process in processes
        for connection in process.net_connections("tcp")
    )


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--out", type=Path, default=_RESULTS / "loop_blocks.json")
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="midfill-bench-") as folder:
        starts = [
            asyncio.run(_one_start(Path(folder) / f"{number}.log"))
            for number in range(arguments.starts)
        ]
    names = [field.name for field in dataclasses.fields(Start)]
    names.remove("long_answers")
    rows = [[str(getattr(start, name)) for name in names] for start in starts]
    print(table(names, rows))
    write_result(
        arguments.out,
        {**circumstances(), "starts": [dataclasses.asdict(start) for start in starts]},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
