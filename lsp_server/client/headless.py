"""A headless editor: it starts a server as an editor does, and asks for completions."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from lsprotocol import types

from lsp_server.client.documents import (
    Answer,
    OpenFile,
    PendingAnswer,
    Suggestion,
    read_suggestions,
)
from lsp_server.client.news import ServerNews, completion_params, introduction
from lsp_server.client.server_process import ServerProcess
from lsp_server.errors import AnswerError, ClientError
from lsp_server.protocol.extensions import ACCEPTED_COMMAND, TRACE_METHOD
from lsp_server.protocol.lines import PositionEncoding
from lsp_server.protocol.project_events import CURSOR_METHOD
from lsp_server.values import Trigger

__all__ = ["HeadlessClient", "headless_client"]

_ANSWER_TIMEOUT_S = 60.0
"""For what a server answers at once; a cold disk may take most of it."""


@asynccontextmanager
async def headless_client(
    command: Sequence[str],
    *,
    stderr_path: Path,
    encoding: PositionEncoding = PositionEncoding.UTF16,
    environment: Mapping[str, str] | None = None,
    options: object = None,
    folders: Sequence[str] = (),
) -> AsyncGenerator["HeadlessClient"]:
    """Start a server, introduce ourselves, and end it at the end of the block.

    Args:
        command: The server's program and arguments.
        stderr_path: The server's log goes to this file.
        encoding: What columns count.
        environment: The server's whole environment; None for ours.
        options: The ``initializationOptions``, as JSON.
        folders: The URIs of the workspace's folders.

    Raises:
        ClientError: The server cannot be started, dies, or writes stray bytes.
    """
    client = HeadlessClient(encoding)
    await client.start(command, stderr_path=stderr_path, environment=environment)
    try:
        await client.initialize(options, folders)
        yield client
        await client.shut_down()
    finally:
        # After an interruption too, the server takes away what it has made.
        await client.terminate()


class HeadlessClient:
    """An editor without a window, connected to one server.

    Args:
        encoding: What columns count; the only encoding that the server is offered.
    """

    def __init__(self, encoding: PositionEncoding) -> None:
        """Prepare; ``start`` connects."""
        self._encoding = encoding
        self._files: dict[str, OpenFile] = {}
        self._news = ServerNews()
        self._connection: ServerProcess | None = None
        self._pending: set[asyncio.Task[Answer]] = set()

    async def start(
        self,
        command: Sequence[str],
        *,
        stderr_path: Path,
        environment: Mapping[str, str] | None,
    ) -> None:
        """Start the server.

        Raises:
            ClientError: It cannot be started.
        """
        self._connection = await ServerProcess.open(
            command, stderr_path=stderr_path, environment=environment, news=self._news
        )

    @property
    def server_process_id(self) -> int:
        """The server's process id."""
        return self._connected.process_id

    @property
    def messages(self) -> tuple[str, ...]:
        """Every message that the server has shown to the user, in their order."""
        return tuple(self._news.messages)

    @property
    def engine_losses(self) -> int:
        """How often the server's engine was ready and then was not any more."""
        return self._news.losses

    async def wait_until_lost(self, timeout_s: float) -> None:
        """Wait until the server's engine, which was ready, is not any more.

        Raises:
            ClientError: The server is gone, or the engine stays ready.
        """
        await self._wait_for(self._news.lost, timeout_s, "the engine was not lost")

    async def initialize(
        self, options: object, folders: Sequence[str] = ()
    ) -> types.InitializeResult:
        """Introduce ourselves, and let the server begin.

        Raises:
            ClientError: The server is gone, refuses, or does not answer.
        """
        result = await self._connected.request(
            types.INITIALIZE,
            introduction(self._encoding, options, folders),
            timeout_s=_ANSWER_TIMEOUT_S,
        )
        self._connected.notify(types.INITIALIZED, types.InitializedParams())
        if not isinstance(result, types.InitializeResult):
            raise self._connected.error("the answer to 'initialize' is none")
        return result

    async def wait_until_ready(self, timeout_s: float) -> str:
        """Wait until the server's engine has loaded; return the name of its model.

        Raises:
            ClientError: The server is gone, its engine failed, or it takes too long.
        """
        await self._wait_for(self._news.ready, timeout_s, "the engine was not ready")
        if self._news.failure:
            raise ClientError(self._news.failure, subject="the server", remedy="")
        return self._news.model

    async def wait_until_loading(self, timeout_s: float) -> None:
        """Wait until the server's engine loads, at first or again after it died.

        Raises:
            ClientError: The server is gone, or it takes too long.
        """
        await self._wait_for(self._news.loading, timeout_s, "the engine did not load")

    def configure(self, settings: object) -> None:
        """Change settings of the running server; sections as in ``initialize``."""
        params = types.DidChangeConfigurationParams(settings=settings)
        self._connected.notify(types.WORKSPACE_DID_CHANGE_CONFIGURATION, params)

    async def trace(self) -> dict[str, object]:
        """Ask what the last request was and what came of it; empty before one."""
        traced = await self._connected.request(TRACE_METHOD, None)
        return traced if isinstance(traced, dict) else {}

    def open_text(self, uri: str, text: str, *, language_id: str = "python") -> None:
        """Open a document that need not exist on disk."""
        file = OpenFile(uri=uri, language_id=language_id, text=text)
        self._files[uri] = file
        self._connected.notify(
            types.TEXT_DOCUMENT_DID_OPEN,
            types.DidOpenTextDocumentParams(text_document=file.item()),
        )

    def text_of(self, uri: str) -> str:
        """Return a document's text as it stands now."""
        return self._files[uri].text

    def edit(self, uri: str, start: int, end: int, text: str) -> None:
        """Replace the text between two offsets, given in code points."""
        params = self._files[uri].edit(start, end, text, self._encoding)
        self._connected.notify(types.TEXT_DOCUMENT_DID_CHANGE, params)

    def close_file(self, uri: str) -> None:
        """Close a document."""
        params = self._files.pop(uri).closing()
        self._connected.notify(types.TEXT_DOCUMENT_DID_CLOSE, params)

    def rest_cursor(self, uri: str, offset: int) -> None:
        """Tell the server that the cursor rests at an offset, in code points."""
        params = self._files[uri].cursor(offset, self._encoding)
        self._connected.notify(CURSOR_METHOD, params)

    async def complete(
        self, uri: str, offset: int, *, trigger: Trigger = Trigger.INVOKED
    ) -> Answer:
        """Ask for a completion at an offset in code points, and wait for the answer.

        Raises:
            ClientError: The server is gone, or answers with an error.
        """
        return await self.ask(uri, offset, trigger=trigger).answer

    def ask(
        self, uri: str, offset: int, *, trigger: Trigger = Trigger.INVOKED
    ) -> PendingAnswer:
        """Ask for a completion at an offset in code points; the answer comes later."""
        item = self._files[uri].item()
        cursor = self._files[uri].cursor(offset, self._encoding)
        params = completion_params(cursor, trigger)
        started, connected = time.perf_counter(), self._connected
        sent = connected.send_request(types.TEXT_DOCUMENT_INLINE_COMPLETION, params)

        async def answer() -> Answer:
            result, cancelled = None, False
            try:
                result = await connected.result(sent)
            except AnswerError as error:
                if error.code != types.LSPErrorCodes.RequestCancelled:
                    raise
                cancelled = True
            round_trip_ms = (time.perf_counter() - started) * 1e3
            shown = read_suggestions(result, item, offset, encoding=self._encoding)
            return Answer(
                suggestions=shown,
                timings=self._news.take_timings(sent.request_id),
                cancelled=cancelled,
                round_trip_ms=round_trip_ms,
            )

        task = asyncio.create_task(answer())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return PendingAnswer(request_id=sent.request_id, answer=task)

    def cancel(self, pending: PendingAnswer) -> None:
        """Tell the server that an answer is not wanted any more; one still comes."""
        self._connected.notify(
            types.CANCEL_REQUEST, types.CancelParams(id=pending.request_id)
        )

    def accept(self, suggestion: Suggestion, chars: int) -> None:
        """Report how many characters of a suggestion were accepted, after the edit."""
        argument = {"id": suggestion.completion_id, "acceptedChars": chars}
        params = types.ExecuteCommandParams(ACCEPTED_COMMAND, arguments=[argument])
        self._connected.send_request(types.WORKSPACE_EXECUTE_COMMAND, params)

    async def shut_down(self) -> int:
        """End the server in order, and return its exit status.

        Raises:
            ClientError: It is gone already, or wrote stray bytes.
        """
        await self._connected.request(types.SHUTDOWN, None, timeout_s=_ANSWER_TIMEOUT_S)
        self._connected.notify(types.EXIT, None)
        return await self._connected.wait_exit()

    async def terminate(self) -> None:
        """End the server by a signal, and kill it if it lingers."""
        if self._connection is not None:
            await self._connection.terminate()

    async def kill(self) -> None:
        """End the server without asking, unless it has ended."""
        if self._connection is not None:
            await self._connection.kill()

    @property
    def _connected(self) -> ServerProcess:
        """The connection, which ``start`` made."""
        if self._connection is None:
            raise ClientError(
                "the server was not started", subject="client", remedy="Start it first"
            )
        return self._connection

    async def _wait_for(
        self, event: asyncio.Event, timeout_s: float, otherwise: str
    ) -> None:
        """Wait for an event, unless the server is lost first.

        Raises:
            ClientError: The server is gone, or the event does not come in time.
        """
        happened = asyncio.create_task(event.wait())
        lost = asyncio.create_task(self._connected.wait_lost())
        done, waiting = await asyncio.wait(
            {happened, lost}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        for task in waiting:
            task.cancel()
        if lost in done:
            raise lost.result()
        if not done:
            raise ClientError(
                f"{otherwise} within {timeout_s:g} s",
                subject=f"server process {self.server_process_id}",
                remedy="See the server's log",
            )
