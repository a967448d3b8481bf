"""A channel carries the messages of one editor, whatever bytes they travel as.

``StdioChannel`` is the editor's own pipes. A socket is in ``stream_channel``.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Protocol, TypeAlias

from lsp_server.protocol.framing import (
    MAX_BODY_BYTES,
    Frame,
    FrameDecoder,
    SkippedFrame,
    UnreadableStream,
    encode_frame,
)
from lsp_server.protocol.pipes import PipeReader, PipeWriter, Stdio

__all__ = ["Channel", "OnLost", "StdioChannel", "StreamEvent"]

StreamEvent: TypeAlias = Frame | SkippedFrame | UnreadableStream
"""A message, one that was too long, or the end of all that can be read."""

OnLost: TypeAlias = Callable[[str], None]
"""Called with the reason when the other side cannot be written to any more."""


class Channel(Protocol):
    """Reads and writes whole messages; nothing of it blocks the event loop."""

    def open(self, lost: OnLost) -> None:
        """Begin, in a running event loop. Call it once, before everything else.

        Args:
            lost: Called in the loop, at most once, when the other side has gone or has
                left too much unread. What is written later is dropped.
        """
        ...

    def events(self) -> AsyncGenerator[StreamEvent]:
        """Yield what comes, until the other side ends. Call it once, and close it.

        Nothing follows an ``UnreadableStream``.
        """
        ...

    def write(self, body: bytes) -> None:
        """Queue one message; it never waits or raises.

        What the other side leaves unread is bounded: beyond it the channel is lost.
        """
        ...

    async def close(self) -> None:
        """Write what is queued, as far as the other side takes it, and end."""
        ...


class StdioChannel:
    """The pipes of the editor that started this process.

    Args:
        stdio: The pipes; they are not closed here.
        ahead: What was read from the editor before.
        max_body_bytes: The longest message that is read; longer ones are skipped.
    """

    def __init__(
        self,
        stdio: Stdio,
        *,
        ahead: bytes = b"",
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """Note the pipes; ``open`` begins."""
        self._stdio = stdio
        self._ahead = ahead
        self._frames = FrameDecoder(max_body_bytes)
        self._writer: PipeWriter | None = None

    def open(self, lost: OnLost) -> None:
        """Begin; the pipe is written by a thread."""
        self._writer = PipeWriter(
            self._stdio.writer_fd, lost=partial(lost, "editor does not read")
        )

    async def events(self) -> AsyncGenerator[StreamEvent]:
        """Yield what comes, until the editor ends. Call it once, and close it."""
        for event in self._frames.feed(self._ahead):
            yield event
        async with aclosing(PipeReader(self._stdio.reader_fd).chunks()) as chunks:
            async for chunk in chunks:
                for event in self._frames.feed(chunk):
                    yield event

    def write(self, body: bytes) -> None:
        """Queue one message."""
        if self._writer is not None:
            self._writer.write(encode_frame(body))

    async def close(self) -> None:
        """Write what is queued, unless the editor is lost."""
        if self._writer is not None:
            self._writer.close()
            await self._writer.drained()
