"""A headless editor for the commands that show completions."""

import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lsp_server.errors import ClientError
from lsp_server.protocol.client import HeadlessClient, headless_client
from lsp_server.protocol.client_answer import Answer

__all__ = ["Place", "ask_at", "parse_place", "ready_editor"]

_READY_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cursor in a file.

    Attributes:
        path: The file.
        line: The line, from 1.
        column: The column, from 1, in characters; 1 is left of the first character.
    """

    path: Path
    line: int
    column: int

    def offset_in(self, text: str) -> int:
        """Give the cursor in code points from the start of ``text``.

        Raises:
            ClientError: The file has no such place.
        """
        lines = text.splitlines(keepends=True) or [""]
        if text.endswith(("\n", "\r")):
            lines.append("")
        width = len(lines[self.line - 1].rstrip("\r\n")) if self._has(lines) else -1
        if not 1 <= self.column <= width + 1:
            raise ClientError(
                f"there is no line {self.line}, column {self.column}",
                subject=str(self.path),
                remedy="Name a place as editors show it: both count from 1",
            )
        return sum(map(len, lines[: self.line - 1])) + self.column - 1

    def _has(self, lines: list[str]) -> bool:
        return 1 <= self.line <= len(lines)


def parse_place(text: str) -> Place:
    """Read ``FILE:LINE:COL``.

    Raises:
        ValueError: It is not of that form.
    """
    path, line, column = text.rsplit(":", 2)
    return Place(path=Path(path), line=int(line), column=int(column))


def _new_log() -> Path:
    """Make an empty file for a server's log."""
    descriptor, name = tempfile.mkstemp(prefix="midfill-", suffix=".log")
    os.close(descriptor)
    return Path(name)


@asynccontextmanager
async def ready_editor(serve_arguments: list[str]) -> AsyncGenerator[HeadlessClient]:
    """Start a server as an editor would, and wait until its model is loaded.

    The wait is told on stderr. The server's log is kept only when something failed.

    Raises:
        ClientError: The server cannot be started, or its engine fails.
    """
    log = _new_log()
    command = [sys.executable, "-m", "lsp_server", "serve", "--stdio", *serve_arguments]
    try:
        async with headless_client(command, stderr_path=log) as client:
            sys.stderr.write("Loading the model (half a minute, more at first) ...\n")
            await client.wait_until_ready(_READY_TIMEOUT_S)
            for message in client.messages:
                sys.stderr.write(message + "\n")
            yield client
    except ClientError:
        sys.stderr.write(f"The server's log: {log}\n")
        raise
    os.remove(log)  # noqa: PTH107 - ASYNC240 knows pathlib only; one unlink blocks nobody


async def ask_at(client: HeadlessClient, place: Place) -> tuple[str, int, Answer]:
    """Open the place's file, complete there, and close it again.

    Returns:
        The file's text, the cursor in code points, and the answer; one without a
        suggestion has the reason.

    Raises:
        ClientError: The file cannot be opened, has no such place, or the server fails.
    """
    uri = client.open_file(place.path)
    try:
        text = client.text_of(uri)
        offset = place.offset_in(text)
        answer = await client.complete(uri, offset)
        if not answer.suggestions:
            reason = (await client.trace()).get("reason")
            answer = replace(answer, reason=str(reason) if reason else None)
        return text, offset, answer
    finally:
        client.close_file(uri)
