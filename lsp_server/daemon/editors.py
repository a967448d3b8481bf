"""The editors that are connected to the daemon: one connection object for each."""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from lsp_server.client.attached_messages import ENDING_METHOD, notification
from lsp_server.daemon.hello import Origin
from lsp_server.daemon.status import ConnectionStatus
from lsp_server.protocol.connection import EditorConnection
from lsp_server.protocol.library import warm_converter
from lsp_server.protocol.stream_channel import StreamChannel
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_pool import EnginePool
from lsp_server.setting_layers import Layer, environment_layer, file_layer

__all__ = ["EditorConnections"]

_log = logging.getLogger(__name__)

_END_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Editor:
    """One editor.

    Attributes:
        name: Its name in the log and in request ids.
        configurator: Knows which engine it uses.
        channel: Carries its messages.
        connection: Serves it.
        since_s: When it came, on the monotonic clock.
    """

    name: str
    configurator: LayeredConfigurator
    channel: StreamChannel
    connection: EditorConnection
    since_s: float


class EditorConnections:
    """Serves the editors that come, each with its own settings and documents.

    Args:
        pool: The engines that they share.
        feedback: Makes what follows the suggestions of one of them.
    """

    def __init__(
        self,
        pool: EnginePool,
        feedback: Callable[[], SuggestionFeedback] = SuggestionFeedback,
    ) -> None:
        """Begin without an editor."""
        self._pool = pool
        self._converter = warm_converter()
        self._feedback = feedback
        self._numbers = itertools.count(1)
        self._here: dict[_Editor, asyncio.Future[None]] = {}
        self._left_s = time.monotonic()

    async def serve(
        self,
        origin: Origin,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Serve an editor until it leaves."""
        name = f"editor-{next(self._numbers)}"
        folder = Path(origin.folder) if origin.folder else None
        configurator = LayeredConfigurator(
            _layers(origin), pool=self._pool, user=name, folder=folder
        )
        channel = StreamChannel(reader, writer)
        editor = _Editor(
            name=name,
            configurator=configurator,
            channel=channel,
            connection=EditorConnection(
                configurator,
                channel,
                name=name,
                converter=self._converter,
                feedback=self._feedback(),
            ),
            since_s=time.monotonic(),
        )
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._here[editor] = gone
        _log.info("daemon.editor_came", extra={"connection": name})
        try:
            await editor.connection.serve(on_end=_log_nothing)
        finally:
            del self._here[editor]
            self._left_s = time.monotonic()
            gone.set_result(None)
            _log.info("daemon.editor_left", extra={"connection": name})

    async def end(self, reason: str) -> None:
        """Say that the daemon ends, and end every connection, within a few seconds."""
        why = "restart" if reason == "restart" else "stop"
        body = notification(ENDING_METHOD, {"reason": why})
        for editor in self._here:
            editor.channel.write(body)
            editor.connection.end("daemon ends")
        if self._here:
            await asyncio.wait([*self._here.values()], timeout=_END_TIMEOUT_S)

    def idle_s(self) -> float:
        """Return for how long there has been no editor, in seconds."""
        return 0.0 if self._here else time.monotonic() - self._left_s

    def on(self, host: EngineHost) -> int:
        """Return how many editors use an engine."""
        return sum(editor.configurator.host is host for editor in self._here)

    def statuses(self) -> list[ConnectionStatus]:
        """Describe the editors, the oldest first."""
        now_s = time.monotonic()
        return [
            ConnectionStatus(
                name=editor.name,
                connected_s=round(now_s - editor.since_s, 1),
                **asdict(editor.connection.facts),
            )
            for editor in self._here
        ]


def _layers(origin: Origin) -> list[Layer]:
    """Return what is configured where the editor's server was started."""
    files = [file_layer(Path(origin.config_file))] if origin.config_file else []
    named = {"model": {"path": origin.model}} if origin.model else {}
    return [
        *files,
        environment_layer(origin.environment),
        *([Layer(place="--model", values=named)] if named else []),
    ]


def _log_nothing(_exit_code: int) -> None:
    """Do nothing: the connection writes its own end into the log."""
