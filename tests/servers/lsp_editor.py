"""pytest-lsp's editor in front of a real ``midfill serve`` with the scripted engine."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import LanguageClient, LanguageClientProtocol
from pytest_lsp.client import register_lsp_features

SERVE = [sys.executable, "-m", "lsp_server", "serve", "--stdio"]
URI = "file:///nowhere/a.py"
_HAS_A_BAR = types.WindowClientCapabilities(work_done_progress=True)
Items = Sequence[types.InlineCompletionItem]


class ListeningProtocol(LanguageClientProtocol):
    """Tells its editor of every notification."""

    _server: "LspEditor"  # type: ignore[mutable-override]  # never reassigned

    def _handle_notification(self, method_name: str, params: object) -> None:
        super()._handle_notification(method_name, params)  # type: ignore[no-untyped-call]  # pytest-lsp's
        self._server.news.set()


class LspEditor(LanguageClient):
    """An editor that can wait for what the server tells it."""

    def __init__(self) -> None:
        super().__init__(
            converter_factory=default_converter, protocol_cls=ListeningProtocol
        )
        register_lsp_features(self)
        self.news = asyncio.Event()

    async def start(self, way: Mapping[str, str], /, **settings: str) -> None:
        """Start a server with these settings, named as in the environment."""
        ours = {f"MIDFILL_{name}": value for name, value in settings.items()}
        environment = {
            **os.environ,
            "MIDFILL_ENGINE_KIND": "scripted",
            **way,
            **ours,
        }
        await self.start_io(*SERVE, env=environment)

    async def introduce(
        self,
        *,
        options: object = None,
        encodings: Sequence[types.PositionEncodingKind] = (),
        window: types.WindowClientCapabilities | None = _HAS_A_BAR,
    ) -> types.InitializeResult:
        """Initialize the server, as an editor that has a progress bar or none."""
        capabilities = types.ClientCapabilities(
            general=types.GeneralClientCapabilities(
                position_encodings=encodings or None
            ),
            text_document=types.TextDocumentClientCapabilities(
                inline_completion=types.InlineCompletionClientCapabilities()
            ),
            window=window,
        )
        return await self.initialize_session(
            types.InitializeParams(
                capabilities=capabilities, initialization_options=options
            )
        )

    def cancel(self, message_id: str) -> None:
        """Take a request back."""
        self.cancel_request(types.CancelParams(id=message_id))

    async def wait(self, found: Callable[[], bool]) -> None:
        """Wait until something holds, looked at after each notification."""
        async with asyncio.timeout(60):
            while not found():
                self.news.clear()
                await self.news.wait()

    @property
    def bars(self) -> list[list[str]]:
        """The steps of every progress bar until now."""
        return [
            [str(report.kind) for report in reports]  # type: ignore[attr-defined]  # pytest-lsp's annotation is wrong
            for reports in self.progress_reports.values()
        ]

    async def wait_until_ready(self, bars: int = 1) -> None:
        """Wait for the end of this many progress bars."""
        await self.wait(lambda: bars == sum("end" in bar for bar in self.bars))

    def open(self, text: str, *, uri: str = URI, version: int = 1) -> None:
        item = types.TextDocumentItem(
            uri=uri, language_id="python", version=version, text=text
        )
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def change(
        self,
        version: int,
        *changes: types.TextDocumentContentChangeEvent,
        uri: str = URI,
    ) -> None:
        self.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(version=version, uri=uri),
                changes,
            )
        )

    async def complete(self, line: int, character: int, *, uri: str = URI) -> Items:
        """Ask for a completion, and give its items."""
        result = await self.text_document_inline_completion_async(
            asked_at(line, character, uri=uri)
        )
        assert isinstance(result, Sequence)
        return result

    def ask(
        self, message_id: str, line: int, character: int, *, uri: str = URI
    ) -> "asyncio.Future[Items]":
        """Ask for a completion with a chosen id; the items come later."""
        return asyncio.wrap_future(
            self.protocol.send_request(
                types.TEXT_DOCUMENT_INLINE_COMPLETION,
                asked_at(line, character, uri=uri),
                msg_id=message_id,
            )
        )

    def configure(self, settings: object) -> None:
        """Change the settings; they hold for what is asked afterwards."""
        self.workspace_did_change_configuration(
            types.DidChangeConfigurationParams(settings)
        )

    async def exit_code(self) -> int:
        """Wait for the server's end."""
        assert self._server is not None
        async with asyncio.timeout(60):
            return await self._server.wait()

    async def put_down(self) -> None:
        """End the server, in order where that is still possible."""
        assert self._server is not None
        try:
            async with asyncio.timeout(60):
                if self._server.returncode is None:
                    await self.shutdown_session()
        finally:
            if self._server.returncode is None:
                self._server.kill()
            await self.stop()  # type: ignore[no-untyped-call]  # pytest-lsp's


def asked_at(
    line: int, character: int, *, uri: str = URI
) -> types.InlineCompletionParams:
    """Make the parameters of an explicit request."""
    return types.InlineCompletionParams(
        text_document=types.TextDocumentIdentifier(uri=uri),
        position=types.Position(line=line, character=character),
        context=types.InlineCompletionContext(
            trigger_kind=types.InlineCompletionTriggerKind.Invoked
        ),
    )


def edit(
    start: tuple[int, int], end: tuple[int, int], text: str
) -> types.TextDocumentContentChangePartial:
    """Make a change of a range."""
    return types.TextDocumentContentChangePartial(
        range=types.Range(types.Position(*start), types.Position(*end)), text=text
    )


Start = Callable[..., Awaitable[LspEditor]]
