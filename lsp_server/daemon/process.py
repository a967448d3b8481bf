"""The daemon's process: its engines, editors and log, and how it begins and ends."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lsp_server import __version__
from lsp_server.config import DaemonConfig, DaemonTransport
from lsp_server.daemon.editors import EditorConnections
from lsp_server.daemon.endpoint import Endpoint
from lsp_server.daemon.hello import (
    HELLO_TIMEOUT_S,
    MAX_HELLO_BYTES,
    Answer,
    Hello,
    Purpose,
)
from lsp_server.daemon.listener import BACKLOG, Listener
from lsp_server.daemon.status import DaemonStatus, engine_statuses, process_statuses
from lsp_server.errors import DaemonError
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.service.engine_pool import EnginePool

__all__ = ["Daemon", "LogFile"]

_log = logging.getLogger(__name__)
_STDOUT, _STDERR = 1, 2
_MAX_LOG_BYTES = 5 * 1024 * 1024
_OLDER_LOGS = 2
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WATCH_EVERY_S = 1.0


class LogFile:
    """Puts a file behind stdout and stderr, of this process and of its children.

    A child that was started before a rotation goes on writing into the older file.

    Args:
        path: The file; older ones are beside it, ``.1`` the newest of them.
        max_bytes: The size from which a file is rotated.
    """

    def __init__(self, path: Path, *, max_bytes: int = _MAX_LOG_BYTES) -> None:
        """Note the file; ``open`` begins."""
        self._path = path
        self._max_bytes = max_bytes

    def open(self) -> None:
        """Send stdout and stderr to the file, after what is in it.

        Raises:
            OSError: It cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        sys.stdout.flush()
        sys.stderr.flush()
        for standard in (_STDOUT, _STDERR):
            os.dup2(fd, standard)
        os.close(fd)

    def rotate(self) -> None:
        """Begin a new file if this one is too long, or was removed.

        Raises:
            OSError: The files cannot be renamed or written.
        """
        try:
            size_bytes = self._path.stat().st_size
        except FileNotFoundError:
            self.open()
            return
        if size_bytes < self._max_bytes:
            return
        for number in range(_OLDER_LOGS, 0, -1):
            older = self._older(number - 1) if number > 1 else self._path
            if older.exists():
                older.rename(self._older(number))
        self.open()

    def _older(self, number: int) -> Path:
        """Return the path of an older file, counted from 1."""
        return self._path.with_name(f"{self._path.name}.{number}")


class Daemon:
    """Serves every editor of this user, until it is stopped or idle for long.

    Args:
        config: The daemon's own settings.
        endpoint: Where it listens; its lock is held by this process.
        pool: The engines; closed at the end.
        log_file: The log to rotate; None where somebody else looks after it.
        log_name: The log's path, for people; empty for stderr.
        drain_s: How long requests have to be completed at the end.
        on_end: Called when they are, or were aborted, and the rest of the end begins.
        feedback: Makes what follows the suggestions of one editor.
    """

    def __init__(
        self,
        config: DaemonConfig,
        endpoint: Endpoint,
        pool: EnginePool,
        *,
        log_file: LogFile | None = None,
        log_name: str = "",
        drain_s: float = 0.0,
        on_end: Callable[[], object],
        feedback: Callable[[], SuggestionFeedback] = SuggestionFeedback,
    ) -> None:
        """Prepare; ``serve`` listens."""
        self._config = config
        self._pool = pool
        self._log_file = log_file
        self._log_name = log_name
        self._drain_s = drain_s
        self._on_end = on_end
        self._began_s = time.monotonic()
        self._editors = EditorConnections(pool, feedback)
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._hurried = asyncio.Event()
        self._warnings: list[str] = []
        self._listener = _listener_of(config, endpoint)

    async def serve(self) -> None:
        """Serve until the end, and end everything in order.

        Raises:
            DaemonError: It cannot listen.
        """
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.stop, number.name)
        try:
            self._server = await self._accept()
            watching = asyncio.create_task(self._watch())
            _log.info("daemon.ready", extra={"address": self._listener.address})
            reason = await self._ended
            _log.info("daemon.end", extra={"reason": reason})
            watching.cancel()
            self._server.close()
            # The file goes as well, so that nobody tries.
            self._listener.close()
            await self._drain()
            self._on_end()
            await self._editors.end(reason)
        finally:
            self._listener.close()
            await self._pool.close()

    def stop(self, reason: str) -> None:
        """End the daemon in order; the first reason counts.

        A second call ends it without waiting for the requests that are there.
        """
        if not self._ended.done():
            self._ended.set_result(reason)
        else:
            self._hurried.set()

    def warn(self, text: str) -> None:
        """Add to the status a sentence about settings that cannot be followed."""
        self._warnings.append(text)

    def status(self) -> DaemonStatus:
        """Describe the daemon as it is now."""
        return DaemonStatus(
            version=__version__,
            process_id=process_statuses()[0].process_id,
            uptime_s=round(time.monotonic() - self._began_s, 1),
            address=self._listener.address,
            log=self._log_name,
            idle_exit_s=self._config.idle_exit_s,
            engines=engine_statuses(self._pool, self._editors.on),
            processes=process_statuses(),
            connections=self._editors.statuses(),
            warnings=tuple(self._warnings),
        )

    async def _accept(self) -> asyncio.Server:
        """Accept clients from the listener's socket."""
        return await asyncio.start_server(
            self._welcome,
            sock=self._listener.socket,
            limit=MAX_HELLO_BYTES,
            # asyncio listens anew, by default with room for 100.
            backlog=BACKLOG,
        )

    async def _drain(self) -> None:
        """Let the requests that are there be completed, as long as they may take."""
        drained = asyncio.create_task(self._pool.drain(self._drain_s))
        hurried = asyncio.create_task(self._hurried.wait())
        await asyncio.wait({drained, hurried}, return_when=asyncio.FIRST_COMPLETED)
        for task in (drained, hurried):
            task.cancel()

    async def _welcome(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one client, from its hello to its end."""
        try:
            hello = await self._hello(reader, writer)
            if hello is None:
                return
            if hello.purpose is Purpose.EDITOR:
                answer = Answer(values={"log": self._log_name})
                writer.write(answer.line())
                await self._editors.serve(hello.origin, reader, writer)
            elif hello.purpose is Purpose.STATUS:
                await _answer(writer, Answer(values=self.status().values()))
            else:
                await _answer(writer, Answer())
                self.stop(hello.purpose.value)
        except Exception:  # noqa: BLE001 - one client must not bring down the others'
            _log.exception("daemon.client_failed")
        finally:
            writer.close()

    async def _hello(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Hello | None:
        """Read a client's hello; None if it is not one to be served."""
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                line = await reader.readuntil(b"\n")
        except (TimeoutError, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            _log.warning("daemon.no_hello")
            return None
        except OSError:
            return None
        try:
            hello = Hello.read(line)
            self._listener.admit(writer.get_extra_info("socket"), hello.token)
        except DaemonError as error:
            _log.warning("daemon.refused", extra={"what": error.what})
            await _answer(writer, Answer(refusal=error.what))
            return None
        return hello

    async def _watch(self) -> None:
        """End the daemon when it was idle for long, rotate the log, stay reachable."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            idle_exit_s = self._config.idle_exit_s
            if idle_exit_s and self._editors.idle_s() >= idle_exit_s:
                self.stop("idle")
            if self._log_file is not None:
                with suppress(OSError):
                    self._log_file.rotate()
            with suppress(DaemonError):
                await self._stay_reachable()

    async def _stay_reachable(self) -> None:
        """Listen anew if the socket's file was removed.

        Raises:
            DaemonError: That cannot be done now.
        """
        if self._listener.restore():
            self._server.close()
            self._server = await self._accept()
            _log.warning("daemon.socket_made_anew")


def _listener_of(config: DaemonConfig, endpoint: Endpoint) -> Listener:
    """Listen as the settings ask, or as the system can.

    Raises:
        DaemonError: It cannot listen.
    """
    if config.transport is DaemonTransport.UNIX and endpoint.has_unix:
        return Listener.open_unix(endpoint)
    return Listener.open_tcp(endpoint)


async def _answer(writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Send the only answer that a client gets."""
    writer.write(answer.line())
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            await writer.drain()
