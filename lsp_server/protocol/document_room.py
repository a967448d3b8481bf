"""How much the documents of an editor on another machine may hold."""

from collections.abc import Callable

__all__ = ["DocumentRoom", "size_of"]

_MOST_DOCUMENTS = 1_000
_MOST_BYTES = 128 * 1024 * 1024
_LINE_BYTES = 64
"""What a line takes besides its characters."""


def size_of(*, chars: int, lines: int) -> int:
    """Return about how many bytes a text takes that is kept line by line."""
    return chars + _LINE_BYTES * lines


class DocumentRoom:
    """Room for documents, which is bounded; the user is told once that it is used up.

    Args:
        warn: Shows the editor's user a message.
        most_documents: Most documents.
        most_bytes: The most that they may hold together, see `size_of`.
    """

    def __init__(
        self,
        warn: Callable[[str], None],
        *,
        most_documents: int = _MOST_DOCUMENTS,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """Note how much there is."""
        self._warn = warn
        self._most_documents = most_documents
        self._most_bytes = most_bytes
        self._was_told = False

    def freed(self) -> None:
        """Note that a document was closed; the user is told again of the next one."""
        self._was_told = False

    def holds(self, *, documents: int, size_bytes: int) -> bool:
        """Return whether there is room for so much, and tell the user if there is not.

        Args:
            documents: How many there would be.
            size_bytes: What they would hold together.
        """
        if documents <= self._most_documents and size_bytes <= self._most_bytes:
            return True
        if not self._was_told:
            self._was_told = True
            self._warn(
                f"Midfill: this server keeps {self._most_documents:,} documents of an "
                f"editor, and {self._most_bytes // 2**20:,} MiB of text, and has no "
                "room for more. Close documents, and open again the one that gets no "
                "completions. The others go on."
            )
        return False
