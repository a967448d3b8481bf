"""An editor's side of LSP, on pygls' client: requests to a server, and its news."""

import asyncio
import re
import threading
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from dataclasses import dataclass
from typing import Any

from lsprotocol import converters
from pygls.exceptions import JsonRpcException
from pygls.io_ import run_async
from pygls.lsp.client import LanguageClient

from lsp_server import __version__
from lsp_server.client.news import ServerNews
from lsp_server.errors import AnswerError, ClientError
from lsp_server.protocol.library import silence_pygls

__all__ = ["SentRequest", "ServerConnection"]

_HEADER_LINE = re.compile(rb"Content-[A-Za-z]+: [^\r\n]+\r\n|\r\n|")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request that was sent.

    Attributes:
        request_id: Its id in the protocol.
        method: What was asked.
        reply: pygls' future of the result.
    """

    request_id: int
    method: str
    reply: asyncio.Future[Any]


class ServerConnection:
    """LSP with one server over two streams, until either side ends it.

    Args:
        reader: What the server writes.
        writer: What the server reads.
        news: Gets what the server sends unasked.
        subject: Names the server in errors.
    """

    def __init__(
        self,
        reader: StreamReader,
        writer: StreamWriter,
        *,
        news: ServerNews,
        subject: str,
    ) -> None:
        """Begin to read what the server says."""
        silence_pygls()
        # Without pygls' own hooks, which make named tuples of the values of a result.
        self._client = LanguageClient(
            "midfill",
            __version__,
            converter_factory=converters.get_converter,
        )
        news.follow(self._client)
        self._client.protocol.set_writer(writer)
        self._subject = subject
        self._last_id = 0
        self._lost: ClientError | None = None
        self._is_unreadable = False
        self._stop = threading.Event()
        self._reading = asyncio.create_task(self._read(_StrictReader(reader)))

    @property
    def subject(self) -> str:
        """What the server is called in errors."""
        return self._subject

    def send_request(self, method: str, params: object) -> SentRequest:
        """Send a request, with lsprotocol's parameters; ``result`` waits for its reply.

        Raises:
            ClientError: The server is gone.
        """
        self._check_connected()
        self._last_id += 1
        reply = self._client.protocol.send_request_async(
            method, params, msg_id=self._last_id
        )
        # Nobody may wait for it any more when an error comes.
        reply.add_done_callback(lambda done: done.cancelled() or done.exception())
        return SentRequest(request_id=self._last_id, method=method, reply=reply)

    async def result(
        self, sent: SentRequest, *, timeout_s: float | None = None
    ) -> object:
        """Wait for a reply, and return the result in lsprotocol's types.

        Raises:
            AnswerError: The reply is an error.
            ClientError: The server is gone, or does not answer in time.
        """
        ends: set[asyncio.Future[Any]] = {sent.reply, self._reading}
        await asyncio.wait(
            ends,
            timeout=timeout_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not sent.reply.done():
            self._check_connected()
            raise self.error(f"no answer to {sent.method!r} within {timeout_s:g} s")
        try:
            return sent.reply.result()
        except JsonRpcException as error:
            raise AnswerError(
                str(error.message),
                subject=f"the server's answer to {sent.method}",
                remedy="See the server's log",
                code=error.code,
            ) from error

    async def request(
        self, method: str, params: object, *, timeout_s: float | None = None
    ) -> object:
        """Send a request, and return its result; raises what ``result`` raises."""
        return await self.result(self.send_request(method, params), timeout_s=timeout_s)

    def notify(self, method: str, params: object) -> None:
        """Send a notification, with lsprotocol's parameters.

        Raises:
            ClientError: The server is gone.
        """
        self._check_connected()
        self._client.protocol.notify(method, params)

    async def wait_lost(self) -> ClientError:
        """Wait until the server is gone, and return the error that says how."""
        await asyncio.wait({self._reading})
        return self._lost or self.error("the server has ended")

    def check_readable(self) -> None:
        """Check that the server wrote nothing but messages.

        Raises:
            ClientError: It did not.
        """
        if self._is_unreadable and self._lost is not None:
            raise self._lost

    async def stop_reading(self) -> None:
        """Take nothing more from the server."""
        self._reading.cancel()
        await asyncio.wait({self._reading})

    def error(self, what: str) -> ClientError:
        """Return an error about this server."""
        return ClientError(what, subject=self._subject, remedy="See the server's log")

    def _check_connected(self) -> None:
        """Raise the error that says how the server was lost, if it was."""
        if self._lost is not None:
            raise self._lost

    async def _read(self, reader: "_StrictReader") -> None:
        """Pass messages to pygls, until the stream ends or holds something else."""
        try:
            await run_async(
                self._stop,
                reader,
                self._client.protocol,
                error_handler=lambda _error, _source: self._stop.set(),
            )
            self._is_unreadable = self._stop.is_set()
        except (ValueError, IncompleteReadError):
            self._is_unreadable = True
        finally:
            what = "the server has ended"
            if self._is_unreadable:
                what = "there are stray bytes on the server's stdout"
            self._lost = self.error(what)


class _StrictReader:
    """Fails at a line that is no header, as an editor does; pygls skips it."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader

    async def readline(self) -> bytes:
        """Read a line of a header.

        Raises:
            ValueError: It is none.
        """
        line = await self._reader.readline()
        if _HEADER_LINE.fullmatch(line) is None:
            raise ValueError("no header")
        return line

    async def readexactly(self, count: int) -> bytes:
        """Read a body."""
        return await self._reader.readexactly(count)
