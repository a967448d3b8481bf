"""One editor's connection: a channel, messages, documents and a session.

A process may hold many; what they share is nothing.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable
from contextlib import aclosing

from cattrs import Converter
from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from lsp_server.outcomes import RequestTimings
from lsp_server.protocol.channel import Channel
from lsp_server.protocol.connection_facts import ConnectionFacts, RequestCounts
from lsp_server.protocol.document_limits import DocumentRoom
from lsp_server.protocol.extensions import (
    ACCEPTED_COMMAND,
    TIMINGS_METHOD,
    TRACE_METHOD,
    timings_params,
    wants,
)
from lsp_server.protocol.framing import Frame, SkippedFrame, skipped_if_crowded
from lsp_server.protocol.inline_completion import ARRIVAL_PLACE, request_of
from lsp_server.protocol.library import ChannelWriter
from lsp_server.protocol.progress import EditorProgress, EngineReporter, NoProgress
from lsp_server.protocol.project_events import ProjectEvents
from lsp_server.protocol.rpc import MidfillServer
from lsp_server.protocol.session import Session
from lsp_server.protocol.status import STATUS_METHOD, Status
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.protocol.watchdog import wait_for_end
from lsp_server.service.backend import Configurator

__all__ = ["EditorConnection"]

_log = logging.getLogger(__name__)

_MOST_PARTS = 500_000
"""Lists and objects of one message; a change of a hundred thousand places has fewer."""


class EditorConnection:
    """Serves one editor, from the first byte to the last. Needs a running loop.

    Args:
        configurator: Makes the backend and takes changed settings.
        channel: Carries the editor's messages; closed at the end.
        name: Tells it from others of the process in request ids and in the log.
        is_remote: Whether the editor is on another machine, where its process id means
            nothing.
        converter: Reads and writes LSP's values; None for one of its own.
        feedback: Follows what becomes of the suggestions.

    Attributes:
        heard_s: When a message last came, at first the beginning, on the loop's clock.
    """

    def __init__(
        self,
        configurator: Configurator,
        channel: Channel,
        *,
        name: str = "",
        is_remote: bool = False,
        converter: Converter | None = None,
        feedback: SuggestionFeedback | None = None,
    ) -> None:
        """Register the handlers; ``serve`` reads."""
        self._configurator = configurator
        self._channel = channel
        self._name = name
        self._is_remote = is_remote
        self._feedback = feedback or SuggestionFeedback()
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._server = MidfillServer(self, converter)
        self._protocol = self._server.protocol
        if is_remote:
            self._protocol.documents.bound(DocumentRoom(self._warn))
        self._numbers = itertools.count(1)
        self._project = ProjectEvents(lambda: self._protocol.documents, self._new_id)
        self._session: Session | None = None
        self._status = Status(None)
        self._wants_timings = False
        self._options: object = None
        self._client: types.ClientInfo | None = None
        self._watch: asyncio.Task[None] | None = None
        self.heard_s = asyncio.get_running_loop().time()
        self._register_handlers()
        self._project.register(self._server)

    async def serve(self, on_end: Callable[[int], object]) -> int:
        """Serve the editor until it says ``exit`` or is gone.

        Args:
            on_end: Called with the exit status when the end begins.

        Returns:
            The exit status: 0 only after ``shutdown``.
        """
        self._channel.open(self.end)
        self._protocol.set_writer(ChannelWriter(self._channel), include_headers=False)
        reading = asyncio.create_task(self._read())
        reading.add_done_callback(lambda _: self.end("end of input"))
        try:
            reason = await self._ended
            exit_code = self._protocol.lifecycle.exit_code
            about = {"connection": self._name, "reason": reason, "exit_code": exit_code}
            _log.info("server.end", extra=about)
            on_end(exit_code)
            reading.cancel()
            if self._session is not None:
                self._session.let_go()
                await self._session.close()
            await self._protocol.answer_all()
            await self._channel.close()
        finally:
            if self._watch is not None:
                self._watch.cancel()
        return exit_code

    def opened(self, params: types.InitializeParams) -> None:
        """Prepare the session of an editor that has just introduced itself."""
        self._options, self._client = params.initialization_options, params.client_info
        self._feedback.editor = self._client.name if self._client else ""
        self._project.begin(params)
        self._wants_timings = wants(params, "timings")
        self._status = Status(self._send_status if wants(params, "status") else None)
        window = params.capabilities.window
        has_bar = window is not None and window.work_done_progress
        reporter = EngineReporter(
            self._server,
            EditorProgress(self._server) if has_bar else NoProgress(),
            self._status,
            restart=lambda: self._opened.restart_engine(),  # noqa: PLW0108  it comes later
            client_acts=wants(params, "actions"),
        )
        self._session = Session(
            self._configurator,
            reporter,
            warn=self._warn,
            send_timings=self._send_timings,
            document_off=self._document_off,
            feedback=self._feedback,
        )
        if params.process_id is not None and not self._is_remote:
            self._watch = asyncio.create_task(wait_for_end(params.process_id))
            self._watch.add_done_callback(lambda _: self.end("editor has ended"))

    def document_changed(self, uri: str, *, is_closed: bool = False) -> None:
        """Supersede the request in flight if a change makes its answer useless."""
        self._project.document_changed(uri)
        if self._session is not None:
            self._session.document_changed(uri, is_closed=is_closed)

    def shut_down(self) -> None:
        """Answer the requests in flight with nothing."""
        self._opened.let_go()

    def end(self, reason: str) -> None:
        """End the connection; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(reason)

    def dismiss(self, message: str) -> None:
        """Show the user a message, and end the connection."""
        if self.is_introduced:
            self._warn(message)
        self.end("gave way to another editor")

    @property
    def is_introduced(self) -> bool:
        """Whether the editor has sent ``initialize``."""
        return self._session is not None

    @property
    def facts(self) -> ConnectionFacts:
        """The connection as it is now."""
        return ConnectionFacts.of(
            self._client,
            documents=len(self._protocol.documents.uris),
            counts=self._session.counts if self._session else RequestCounts(),
        )

    @property
    def _opened(self) -> Session:
        """The session, which exists from ``initialize`` on."""
        if self._session is None:
            raise RuntimeError("a message came before initialize")
        return self._session

    async def _read(self) -> None:
        """Handle every message, until the input ends or cannot be read."""
        loop = asyncio.get_running_loop()
        async with aclosing(self._channel.events()) as events:
            async for came in events:
                self.heard_s, event = loop.time(), came
                if isinstance(came, Frame):
                    event = skipped_if_crowded(came, _MOST_PARTS)
                if isinstance(event, Frame):
                    fault = self._protocol.receive(event.body)
                elif isinstance(event, SkippedFrame):
                    fault = self._protocol.skip(event)
                else:
                    _log.warning(
                        "stream.unreadable",
                        extra={"connection": self._name, "why": event.reason},
                    )
                    self.end("unreadable input")
                    return
                if fault is not None:
                    self._channel.write(fault.body)

    def _register_handlers(self) -> None:
        """Register what may take its time, as coroutines, and what pygls lacks.

        A plain function that takes its time would block the loop, and one in a thread
        could not be cancelled.
        """
        server = self._server

        @server.feature(types.INITIALIZED)
        async def initialized(_params: types.InitializedParams) -> None:
            await self._opened.begin(self._options)
            self._project.attach(self._opened.project_changed)
            self._status.set_enabled(self._opened.enabled)

        @server.feature(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions()
        )
        async def inline_completion(
            params: types.InlineCompletionParams,
        ) -> list[types.InlineCompletionItem]:
            return await self._complete(params)

        @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
        async def did_change_configuration(
            params: types.DidChangeConfigurationParams,
        ) -> None:
            # A coroutine, so that it does not overtake `initialized`.
            self._opened.change_settings(params.settings)
            self._status.set_enabled(self._opened.enabled)

        # Not `object`: pygls gives the server to a parameter of a type that fits it.
        @server.feature(TRACE_METHOD)
        def trace(_params: dict[str, object] | None) -> dict[str, object] | None:
            return self._opened.trace()

        @server.command(ACCEPTED_COMMAND)
        def accepted(_server: MidfillServer, *arguments: object) -> None:
            problem = self._opened.accept(arguments)
            if problem is not None:
                raise JsonRpcInvalidParams(problem)

    async def _complete(
        self, params: types.InlineCompletionParams
    ) -> list[types.InlineCompletionItem]:
        """Answer a request for a completion."""
        message_id = self._protocol.msg_id
        if message_id is None:
            raise RuntimeError("pygls calls this with a request's id in the context")
        request = request_of(
            params,
            place=ARRIVAL_PLACE.get(),
            encoding=self._protocol.documents.encoding,
            message_id=message_id,
            request_id=self._new_id(),
        )
        with self._status.working():
            return await self._opened.complete(request)

    def _new_id(self) -> str:
        """Return an id that no other request of the process has."""
        number = next(self._numbers)
        return f"{self._name}-{number}" if self._name else f"completion-{number}"

    def _send_status(self, payload: dict[str, object]) -> None:
        """Send the state to an editor that asked for it."""
        self._protocol.notify(STATUS_METHOD, payload)

    def _warn(self, message: str) -> None:
        """Show a warning in the editor's window."""
        self._server.window_show_message(
            types.ShowMessageParams(type=types.MessageType.Warning, message=message)
        )

    def _document_off(self, uri: str, reason: str | None) -> None:
        """Note which document gets no completions, and why; None when it does again."""
        _log.debug("document.off", extra={"uri": uri, "off": reason is not None})
        self._status.document_off(uri, reason)

    def _send_timings(self, message_id: int | str, timings: RequestTimings) -> None:
        """Send what a completion cost to a client that asked for it."""
        if self._wants_timings:
            self._protocol.notify(TIMINGS_METHOD, timings_params(message_id, timings))
