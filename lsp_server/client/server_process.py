"""A server that runs as a subprocess, and the connection to it over its pipes."""

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from lsp_server.client.news import ServerNews
from lsp_server.client.server_connection import ServerConnection
from lsp_server.errors import ClientError

__all__ = ["ServerProcess"]

_TAIL_BYTES = 4096
_TAIL_LINES = 12
_EXIT_TIMEOUT_S = 10
_TERMINATE_TIMEOUT_S = 5


class ServerProcess(ServerConnection):
    """A running server, and the messages to and from it. Made by ``open``."""

    def __init__(
        self,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        stderr_path: Path,
        news: ServerNews,
    ) -> None:
        """Begin to read what the server says."""
        self._process = process
        self._stderr_path = stderr_path
        super().__init__(
            reader, writer, news=news, subject=f"server process {process.pid}"
        )

    @classmethod
    async def open(
        cls,
        command: Sequence[str],
        *,
        stderr_path: Path,
        environment: Mapping[str, str] | None,
        news: ServerNews,
    ) -> "ServerProcess":
        """Start a server.

        Args:
            command: The program and its arguments.
            stderr_path: The server's log goes to this file.
            environment: The server's whole environment; None for ours.
            news: Gets what the server sends unasked.

        Raises:
            ClientError: The program cannot be started.
        """
        try:
            # Not by pygls' `start_io`, which takes stderr for itself.
            with stderr_path.open("wb") as stderr:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=stderr,
                    env=environment,
                    # Ctrl-C on our terminal is ours; we pass it on.
                    start_new_session=True,
                )
        except OSError as exc:
            raise ClientError(
                f"the server cannot be started ({exc.strerror})",
                subject=command[0],
                remedy="Check the command",
            ) from exc
        if process.stdout is None or process.stdin is None:
            raise ClientError("the server has no pipes", subject=command[0], remedy="")
        return cls(
            process, process.stdout, process.stdin, stderr_path=stderr_path, news=news
        )

    @property
    def process_id(self) -> int:
        """The server's process id."""
        return self._process.pid

    async def wait_exit(self) -> int:
        """Wait for the server's end, which was asked for; kill it if it lingers.

        A server that wrote stray bytes is killed at once, as nothing reaches it.

        Returns:
            The exit status; negative for the signal that ended it.

        Raises:
            ClientError: There were stray bytes on its stdout.
        """
        try:
            async with asyncio.timeout(_EXIT_TIMEOUT_S):
                await self.wait_lost()
                self.check_readable()
                await self._process.wait()
        except (TimeoutError, ClientError):
            await self.kill()
        self.check_readable()
        return await self._process.wait()

    async def terminate(self) -> None:
        """End the server by a signal, so that it clears up; kill it if it lingers."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TERMINATE_TIMEOUT_S):
                    await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End the server without asking; do nothing if it has ended."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self.stop_reading()

    def error(self, what: str) -> ClientError:
        """Return an error about this server, with the end of its log."""
        tail = _tail(self._stderr_path)
        return ClientError(
            what,
            subject=self.subject,
            remedy=f"Its log, {self._stderr_path}, ends with:\n{tail}",
        )


def _tail(path: Path) -> str:
    """Read the last lines of a log."""
    try:
        text = path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return "(it cannot be read)"
    return "\n".join(text.splitlines()[-_TAIL_LINES:]) or "(nothing)"
