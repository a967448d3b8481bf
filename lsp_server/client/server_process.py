"""JSON-RPC with a server that runs as a subprocess, strict about every byte.

An editor's reader fails on a stray byte in the server's stdout, so this one does too.
"""

import asyncio
import contextlib
import json
import re
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import ClientError
from lsp_server.protocol.framing import encode_frame

__all__ = ["Reply", "ServerProcess"]

_HEADER = re.compile(
    rb"Content-Length: ([0-9]{1,10})\r\n(?:Content-Type: [^\r\n]+\r\n)?\r\n"
)
_TAIL_BYTES = 4096
_TAIL_LINES = 12
_EXIT_TIMEOUT_S = 10
_TERMINATE_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server answered.

    Attributes:
        result: The JSON result; None in an error.
        error_code: JSON-RPC's code; None where there was no error.
        error_message: What the error said; empty where there was none.
    """

    result: object
    error_code: int | None = None
    error_message: str = ""


class ServerProcess:
    """A running server, and the messages to and from it. Made by ``open``."""

    def __init__(
        self,
        process: Process,
        stderr_path: Path,
        on_notification: Callable[[str, object], None],
    ) -> None:
        """Begin to read what the server says."""
        self._process = process
        self._stderr_path = stderr_path
        self._on_notification = on_notification
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._last_id = 0
        self._lost: ClientError | None = None
        self._stray = False
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls,
        command: Sequence[str],
        *,
        stderr_path: Path,
        environment: Mapping[str, str] | None,
        on_notification: Callable[[str, object], None],
    ) -> "ServerProcess":
        """Start a server.

        Args:
            command: The program and its arguments.
            stderr_path: The server's log goes to this file.
            environment: The server's whole environment; None for ours.
            on_notification: Called with method and parameters, in their order.

        Raises:
            ClientError: The program cannot be started.
        """
        try:
            with stderr_path.open("wb") as stderr:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=stderr,
                    env=environment,
                    # Ctrl-C on our terminal is ours; the server hears of it from us.
                    start_new_session=True,
                )
        except OSError as exc:
            raise ClientError(
                f"the server cannot be started ({exc.strerror})",
                subject=command[0],
                remedy="Check the command",
            ) from exc
        return cls(process, stderr_path, on_notification)

    @property
    def process_id(self) -> int:
        """The server's process id."""
        return self._process.pid

    def send_request(
        self, method: str, params: object
    ) -> tuple[int, asyncio.Future[Reply]]:
        """Send a request; returns its id and what will hold the reply.

        Raises:
            ClientError: The server is gone.
        """
        self._last_id += 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[self._last_id] = future
        self._send({"id": self._last_id, "method": method, "params": params})
        return self._last_id, future

    async def request(self, method: str, params: object) -> object:
        """Send a request, and return its result.

        Raises:
            ClientError: The server is gone, or answers with an error.
        """
        reply = await self.send_request(method, params)[1]
        if reply.error_code is not None:
            raise ClientError(
                f"the server answered with error {reply.error_code}, "
                f"{reply.error_message!r}",
                subject=method,
                remedy=f"See its log in {self._stderr_path}",
            )
        return reply.result

    def notify(self, method: str, params: object) -> None:
        """Send a notification.

        Raises:
            ClientError: The server is gone.
        """
        self._send({"method": method, "params": params})

    async def wait_lost(self) -> ClientError:
        """Wait until the server is gone, and tell how."""
        await asyncio.wait({self._reading})
        return self._lost or self._gone("the server has ended")

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
                await asyncio.wait({self._reading})
                if self._lost is not None and self._stray:
                    await self.kill()
                    raise self._lost
                await self._process.wait()
        except TimeoutError:
            await self.kill()
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
        """End the server without asking; a server that has ended is left in peace."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._reading.cancel()
        await asyncio.wait({self._reading})

    def _send(self, message: dict[str, object]) -> None:
        """Send a message."""
        if self._lost is not None:
            raise self._lost
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        if self._process.stdin is not None:
            self._process.stdin.write(encode_frame(body))

    async def _read(self) -> None:
        """Take what the server says, until it ends or says what is no message."""
        try:
            while (body := await self._next_body()) is not None:
                self._take(json.loads(body))
            self._lost = self._gone("the server has ended")
        except (ValueError, asyncio.LimitOverrunError):
            self._stray = True
            self._lost = self._gone("there are stray bytes on the server's stdout")
        finally:
            if self._lost is None:
                self._lost = self._gone("the client has ended")
            for future in self._replies.values():
                if not future.done():
                    future.set_exception(self._lost)
                    future.exception()
            self._replies.clear()

    async def _next_body(self) -> bytes | None:
        """Read one body; None at the end.

        Raises:
            ValueError: There is something else than a message.
        """
        stdout = self._process.stdout
        if stdout is None:
            return None
        try:
            header = await stdout.readuntil(b"\r\n\r\n")
            match = _HEADER.fullmatch(header)
            if match is None:
                raise ValueError("no header")
            return await stdout.readexactly(int(match.group(1)))
        except asyncio.IncompleteReadError as exc:
            if exc.partial:
                raise ValueError("the end of a message is missing") from exc
            return None

    def _take(self, message: object) -> None:
        """Handle one message of the server."""
        if not isinstance(message, dict):
            raise ValueError("no message")  # noqa: TRY004 - wrong bytes, not a wrong type
        method = message.get("method")
        if isinstance(method, str):
            if "id" in message:
                # A progress bar is granted, and no button of a message is chosen.
                self._send({"id": message["id"], "result": None})
            self._on_notification(method, message.get("params"))
            return
        future = self._replies.pop(message.get("id", 0), None)
        if future is None:
            raise ValueError("a reply to no request")
        error = message.get("error")
        if isinstance(error, dict):
            reply = Reply(
                result=None,
                error_code=error.get("code"),
                error_message=str(error.get("message")),
            )
        else:
            reply = Reply(result=message.get("result"))
        if not future.done():
            future.set_result(reply)

    def _gone(self, what: str) -> ClientError:
        """Describe the loss, with the end of the server's log."""
        tail = _tail(self._stderr_path)
        return ClientError(
            what,
            subject=f"server process {self._process.pid}",
            remedy=f"Its log, {self._stderr_path}, ends with:\n{tail}",
        )


def _tail(path: Path) -> str:
    """Read the last lines of a log."""
    try:
        text = path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return "(it cannot be read)"
    return "\n".join(text.splitlines()[-_TAIL_LINES:]) or "(nothing)"
