"""The base protocol: a header with a length, a blank line, and that many bytes.

It accepts what real editors send (header names in any case, bare line feeds, any
split of the bytes) and refuses a length that cannot be right before anything is
allocated for it. After a fault it looks for the next header and goes on there: a
line with a length cannot stand inside JSON, where line ends in strings are escaped.

Source: Language Server Protocol 3.18, "Base Protocol".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "MAX_BODY_BYTES",
    "Frame",
    "FrameDecoder",
    "FrameFault",
    "UnreadableStream",
    "encode_frame",
]

# A 50 MB file is opened in one frame, and JSON escapes make it longer: up to two
# bytes for one where the text is full of quotes and line ends. Beyond this, a length
# is more likely an error than a document.
MAX_BODY_BYTES = 128 * 1024 * 1024
_MAX_HEADER_BYTES = 8 * 1024
_MAX_DIGITS = 15

_HEADER_END = re.compile(rb"\r?\n\r?\n")
_NEXT_HEADER = re.compile(
    rb"content-length[ \t]*:[ \t]*[0-9]+[ \t]*\r?\n", re.IGNORECASE
)
_LONGEST_HEADER_LINE = 64


@dataclass(frozen=True, slots=True)
class Frame:
    """The body of one message."""

    body: bytes


@dataclass(frozen=True, slots=True)
class FrameFault:
    """Bytes that are no message; the stream goes on after them."""

    reason: str


@dataclass(frozen=True, slots=True)
class UnreadableStream:
    """Nothing that comes from here on can be understood."""

    reason: str


def encode_frame(body: bytes) -> bytes:
    """Put a header before a body."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class FrameDecoder:
    """Cuts a stream of bytes into frames. It does no input or output of its own.

    Args:
        max_body_bytes: The longest body that is accepted; also how much garbage is
            skipped in search of a header before the stream counts as unreadable.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        """Wait for the first header."""
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._body_bytes: int | None = None
        self._skipping = False
        self._skipped_bytes = 0

    def feed(self, data: bytes) -> Iterator[Frame | FrameFault | UnreadableStream]:
        """Take some bytes, and yield what has become complete.

        Nothing more may be fed after an ``UnreadableStream``.
        """
        self._buffer += data
        while True:
            if self._skipping and not self._find_header():
                if self._skipped_bytes > self._max_body_bytes:
                    yield UnreadableStream("no header came after a fault")
                return
            if self._body_bytes is None:
                fault = self._read_header()
                if fault is not None:
                    self._skipping = True
                    yield fault
                    continue
            if self._body_bytes is None:
                return
            if len(self._buffer) < self._body_bytes:
                if not self._holds_header(data):
                    return
                self._body_bytes = None
                self._skipping = True
                yield FrameFault("the next header came before the body's end")
                continue
            body = bytes(self._buffer[: self._body_bytes])
            del self._buffer[: self._body_bytes]
            self._body_bytes = None
            yield Frame(body)

    def take_back(self, body: bytes) -> None:
        """Look for the next header from the start of ``body`` on.

        Call it before the next step of ``feed`` when the last frame's body was no
        message: its length may have been wrong, and the next message in it.
        """
        self._buffer[:0] = body
        self._skipping = True

    def _find_header(self) -> bool:
        """Drop everything before the next header; tell whether there is one."""
        match = _NEXT_HEADER.search(self._buffer)
        found = match is not None
        # The start of a header may already be there, cut by the split of the bytes.
        drop = match.start() if match else len(self._buffer) - _LONGEST_HEADER_LINE
        if drop > 0:
            del self._buffer[:drop]
            self._skipped_bytes += drop
        if found:
            self._skipping = False
            self._skipped_bytes = 0
        return found

    def _holds_header(self, new_data: bytes) -> bool:
        """Tell whether a header stands in the end of an unfinished body."""
        if b"\n" not in new_data:
            return False
        start = max(0, len(self._buffer) - len(new_data) - _LONGEST_HEADER_LINE)
        return _NEXT_HEADER.search(self._buffer, start) is not None

    def _read_header(self) -> FrameFault | None:
        """Read a header if it is complete."""
        while self._buffer.startswith((b"\r", b"\n")):
            del self._buffer[:1]
        match = _HEADER_END.search(self._buffer, 0, _MAX_HEADER_BYTES)
        if match is None:
            if len(self._buffer) < _MAX_HEADER_BYTES:
                return None
            del self._buffer[:_MAX_HEADER_BYTES]
            return FrameFault("the header does not end")
        header = bytes(self._buffer[: match.start()])
        del self._buffer[: match.end()]
        length = _content_length(header)
        if isinstance(length, FrameFault):
            return length
        if length > self._max_body_bytes:
            return FrameFault(f"a body of {length} bytes is too long")
        self._body_bytes = length
        return None


def _content_length(header: bytes) -> int | FrameFault:
    """Find the one Content-Length in a header."""
    lengths = []
    for line in header.split(b"\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            return FrameFault("a header line has no colon")
        if name.strip().lower() == b"content-length":
            lengths.append(value.strip())
    if len(lengths) != 1:
        return FrameFault(f"there are {len(lengths)} Content-Length lines, not one")
    digits = lengths[0]
    if not re.fullmatch(rb"[0-9]+", digits) or len(digits) > _MAX_DIGITS:
        return FrameFault("the Content-Length is not a plausible number")
    return int(digits)
