"""The documents that a headless client has open, and what it says about them."""

from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types

from lsp_server.errors import ClientError
from lsp_server.operating_system import open_regular, reason_of
from lsp_server.protocol.convert import range_at
from lsp_server.protocol.lines import PositionEncoding

__all__ = ["OpenFile", "read_source"]


def read_source(path: Path) -> str:
    """Read a source file as an editor does.

    Line ends stay as they are. A byte order mark is no part of the text: editors
    leave it out, and count columns without it.

    Raises:
        ClientError: It cannot be read, or is not UTF-8.
    """
    try:
        with open_regular(path) as file:
            return file.read().decode("utf-8-sig")
    except OSError as exc:
        raise ClientError(
            f"the file cannot be read ({reason_of(exc)})",
            subject=str(path),
            remedy="Name a text file that this user can read",
        ) from exc
    except UnicodeDecodeError as exc:
        raise ClientError(
            f"the file is not UTF-8 (byte {exc.start})",
            subject=str(path),
            remedy="Completions need a text file in UTF-8",
        ) from exc


@dataclass(slots=True, kw_only=True)
class OpenFile:
    """A document that is open in the client.

    Attributes:
        uri: Its URI.
        language_id: Its language, as LSP names it.
        text: Its text at the moment.
        version: Counts the edits, from 1.
    """

    uri: str
    language_id: str
    text: str
    version: int = 1

    def item(self) -> types.TextDocumentItem:
        """Describe it as it stands, as LSP does."""
        return types.TextDocumentItem(
            uri=self.uri,
            language_id=self.language_id,
            version=self.version,
            text=self.text,
        )

    def edit(
        self, start: int, end: int, text: str, encoding: PositionEncoding
    ) -> types.DidChangeTextDocumentParams:
        """Replace the text between two offsets, and return what a server gets."""
        replaced = range_at(self.text, start, end, encoding)
        self.text = self.text[:start] + text + self.text[end:]
        self.version += 1
        return types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(
                uri=self.uri, version=self.version
            ),
            content_changes=[
                types.TextDocumentContentChangePartial(range=replaced, text=text)
            ],
        )
