"""Editors on sockets, which say what the editor of pipes says."""

import asyncio

from piped_editor import Editor


class SocketEditor(Editor):
    """Speaks framed LSP over a stream socket."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.writer = writer
        assert isinstance(writer.transport, asyncio.Transport)
        super().__init__(-1, -1, reader, writer.transport)

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    def hang_up(self) -> None:
        """Be gone, as when the process is killed."""
        self.writer.transport.abort()

    async def drip(self, data: bytes, *, pause_s: float) -> None:
        """Send one byte after the other, until the server has had enough."""
        for byte in data:
            if self.reading.done():
                return
            self.send_bytes(bytes([byte]))
            await asyncio.sleep(pause_s)
