"""The language server over stdio: from the first byte to the exit status."""

import asyncio
import importlib.metadata
import logging
import os
import signal
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import NoReturn

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from lsp_server.outcomes import RequestTimings
from lsp_server.protocol import watchdog
from lsp_server.protocol.dispatch import TIMINGS_METHOD, MidfillProtocol, wants
from lsp_server.protocol.extensions import TRACE_METHOD
from lsp_server.protocol.framing import (
    MAX_BODY_BYTES,
    Frame,
    FrameDecoder,
    UnreadableStream,
)
from lsp_server.protocol.inline_completion import CompletionOrder
from lsp_server.protocol.messages import Fault
from lsp_server.protocol.pipes import PipeReader, PipeWriter, Stdio, claim_stdio
from lsp_server.protocol.progress import EditorProgress, EngineReporter, NoProgress
from lsp_server.protocol.session import Configurator, Session
from lsp_server.protocol.status import STATUS_METHOD, Status
from lsp_server.protocol.watchdog import wait_for_end

__all__ = ["MidfillServer", "run_stdio", "serve"]

_log = logging.getLogger(__name__)

# Editors kill what is still there two seconds after `exit`.
_END_DEADLINE_S = 1.5
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run_stdio(configurator: Configurator) -> NoReturn:
    """Serve the editor behind stdin and stdout, and end the process.

    Descriptors 0 and 1 are taken from everything else first, so call this before what
    may print is imported. One that does not end in time is killed with its children.
    """
    stdio = claim_stdio()

    def arm(exit_code: int) -> None:
        watchdog.arm(exit_code, _END_DEADLINE_S)

    async def serve_and_leave() -> NoReturn:
        exit_code = await serve(stdio, configurator, on_end=arm)
        # Not by way of the interpreter's own end: that waits for threads, an import in
        # one of them among others, and takes seconds with vLLM loaded.
        logging.shutdown()
        os._exit(exit_code)

    asyncio.run(serve_and_leave())
    raise AssertionError("the process has ended")


async def serve(
    stdio: Stdio,
    configurator: Configurator,
    *,
    on_end: Callable[[int], None],
    max_body_bytes: int = MAX_BODY_BYTES,
) -> int:
    """Serve one editor until it says ``exit`` or is gone.

    Args:
        stdio: The editor's pipes.
        configurator: Makes the backend.
        on_end: Called with the exit status when the end begins.
        max_body_bytes: The longest message that is accepted.

    Returns:
        The exit status: 0 only after ``shutdown``.
    """
    # At INFO, pygls logs whole messages: the user's code.
    logging.getLogger("pygls").setLevel(logging.WARNING)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[str] = loop.create_future()

    def end(reason: str) -> None:
        if not ended.done():
            ended.set_result(reason)

    writer = PipeWriter(stdio.writer_fd, lost=partial(end, "editor does not read"))
    server = MidfillServer(configurator, end)
    server.protocol.set_writer(writer)
    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number.name)
    frames = FrameDecoder(max_body_bytes)
    reading = asyncio.create_task(_read(stdio.reader_fd, frames, server.protocol))
    reading.add_done_callback(lambda _: end("end of input"))
    try:
        reason = await ended
        exit_code = server.protocol.lifecycle.exit_code
        _log.info("server.end", extra={"reason": reason, "exit_code": exit_code})
        on_end(exit_code)
        reading.cancel()
        server.let_go()
        await server.close_session()
        await server.protocol.answer_all()
        writer.close()
        await writer.drained()
    finally:
        server.stop_watching()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    return exit_code


async def _read(fd: int, frames: FrameDecoder, protocol: MidfillProtocol) -> None:
    """Hand every message to the protocol, until the input ends or cannot be read."""
    async with aclosing(PipeReader(fd).chunks()) as chunks:
        async for chunk in chunks:
            for event in frames.feed(chunk):
                if isinstance(event, Frame):
                    if not protocol.receive(event.body):
                        frames.take_back(event.body)
                    continue
                _log.warning("stream.fault", extra={"reason": event.reason})
                if isinstance(event, UnreadableStream):
                    return
                protocol.send_fault(
                    Fault(code=types.ErrorCodes.ParseError, reason=event.reason)
                )


class MidfillServer(LanguageServer):
    """Midfill's language server for one editor.

    Args:
        configurator: Makes the backend and hears of changed settings.
        end: Called with the reason when the server should end.
    """

    protocol: MidfillProtocol  # type: ignore[mutable-override]  # never reassigned

    def __init__(self, configurator: Configurator, end: Callable[[str], None]) -> None:
        """Register the handlers; nothing is started yet."""
        super().__init__(
            "midfill",
            importlib.metadata.version("midfill"),
            protocol_cls=MidfillProtocol,
        )
        self.end = end
        self._configurator = configurator
        self._session: Session | None = None
        self._status = Status(None)
        self._watch: asyncio.Task[None] | None = None
        self._options: object = None
        _register(self)

    @property
    def session(self) -> Session:
        """The editor's session; there is one from ``initialize`` on."""
        if self._session is None:
            raise RuntimeError("no message passes the gate before initialize")
        return self._session

    def connected(self, params: types.InitializeParams) -> None:
        """Prepare the session of an editor that has just introduced itself."""
        self._options = params.initialization_options
        window = params.capabilities.window
        has_bar = window is not None and window.work_done_progress
        self._status = Status(self._send_status if wants(params, "status") else None)
        reporter = EngineReporter(
            self,
            EditorProgress(self) if has_bar else NoProgress(),
            self._status,
            restart=self.restart_engine,
            client_acts=wants(params, "actions"),
        )
        self._session = Session(
            self._configurator,
            reporter,
            warn=self._warn,
            send_timings=self._send_timings,
            document_off=self._document_off,
        )
        if params.process_id is not None:
            self._watch = asyncio.create_task(wait_for_end(params.process_id))
            self._watch.add_done_callback(lambda _: self.end("editor has ended"))

    def document_changed(self, uri: str, *, is_closed: bool = False) -> None:
        """Tell the session that a document is not what it was; there may be none."""
        if self._session is not None:
            self._session.document_changed(uri, is_closed=is_closed)

    async def begin_session(self) -> None:
        """Start the engine."""
        await self.session.begin(self._options)
        self._status.set_enabled(self.session.enabled)

    def change_settings(self, settings: object) -> None:
        """Hand changed settings on."""
        self.session.change_settings(settings)
        self._status.set_enabled(self.session.enabled)

    async def complete(
        self, order: CompletionOrder
    ) -> list[types.InlineCompletionItem]:
        """Answer a request for a completion."""
        with self._status.working():
            return await self.session.complete(order)

    def restart_engine(self) -> None:
        """Start the engine again, because the user wants it."""
        self.session.restart_engine()

    def let_go(self) -> None:
        """Answer what is in flight with nothing; there may be no session yet."""
        if self._session is not None:
            self._session.let_go()

    async def close_session(self) -> None:
        """End the engine; there may be none yet."""
        if self._session is not None:
            await self._session.close()

    def stop_watching(self) -> None:
        """Look at the editor's process no longer."""
        if self._watch is not None:
            self._watch.cancel()

    def report_server_error(self, error: Exception, source: type[Exception]) -> None:
        """Log an internal error; the user can do nothing about it in a pop-up."""
        _log.error(
            "server.error",
            extra={"error": type(error).__name__, "source": source.__name__},
        )

    def _send_status(self, payload: dict[str, object]) -> None:
        """Tell an editor that asked for it how things stand."""
        self.protocol.notify(STATUS_METHOD, payload)

    def _warn(self, message: str) -> None:
        """Show a message to the user."""
        self.window_show_message(
            types.ShowMessageParams(type=types.MessageType.Warning, message=message)
        )

    def _document_off(self, uri: str, reason: str | None) -> None:
        """Note which document gets no completions, and why; None when it does again."""
        _log.debug("document.off", extra={"uri": uri, "off": reason is not None})
        self._status.document_off(uri, reason)

    def _send_timings(self, message_id: int | str, timings: RequestTimings) -> None:
        """Tell a client that asked for it what a completion cost."""
        if self.protocol.timings_wanted:
            self.protocol.notify(
                TIMINGS_METHOD,
                {
                    "id": message_id,
                    "ttftMs": timings.ttft_ms,
                    "totalMs": timings.total_ms,
                    "promptTokens": timings.prompt_tokens,
                    "cachedTokens": timings.cached_tokens,
                    "outputTokens": timings.output_tokens,
                },
            )


def _register(server: MidfillServer) -> None:
    """Register the handlers that may wait. All are coroutines.

    A plain function would block the loop, and one in a thread could not be cancelled.
    """

    @server.feature(types.INITIALIZED)
    async def initialized(_params: types.InitializedParams) -> None:
        await server.begin_session()

    @server.feature(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions()
    )
    async def inline_completion(
        order: CompletionOrder,
    ) -> list[types.InlineCompletionItem]:
        return await server.complete(order)

    # Not `object`: pygls takes a parameter that a server fits for the server.
    @server.feature(TRACE_METHOD)
    async def trace(_params: dict[str, object] | None) -> dict[str, object] | None:
        return server.session.trace()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(
        params: types.DidChangeConfigurationParams,
    ) -> None:
        server.change_settings(params.settings)
