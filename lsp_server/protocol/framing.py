"""Frames of LSP's base protocol: a header with a length, a blank line, and a body.

- Header names in any case, bare line feeds and any split of the bytes are accepted.
- A header that cannot be read ends the stream: nothing tells where the next one is.
- A body that is too long is skipped without being kept; the frame after it is read.

Source: Language Server Protocol 3.18, "Base Protocol".
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "MAX_BODY_BYTES",
    "Frame",
    "FrameDecoder",
    "SkippedFrame",
    "UnreadableStream",
    "encode_frame",
    "holds_more",
    "skipped_if_crowded",
    "uris_in",
]

# A document of 50 MB is opened in one frame, and JSON may double it: quotes and line
# ends take two bytes each.
MAX_BODY_BYTES = 128 * 1024 * 1024
_MAX_HEADER_BYTES = 8 * 1024
# 10 GB is no document. Skipping what a broken header announces would never end.
_MAX_LENGTH_DIGITS = 10
# Enough for everything in a message but the document's text.
_KEPT_BYTES = 16 * 1024


# In JSON, a quote inside of a string has a backslash: this is never part of a text.
_URI = re.compile(rb'"uri"\s*:\s*("(?:[^"\\]|\\.)*")')

# Or one that does not end; possessive, so that no part of it is looked at twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)

_HEADER_END = re.compile(rb"\r?\n\r?\n")

# What nearly every client sends; any other header takes three times as long to read.
_PLAIN_HEADER = re.compile(
    rb"Content-Length: ([0-9]{1,%d})\r\n\r\n" % _MAX_LENGTH_DIGITS
)
_LENGTH = re.compile(rb"[0-9]{1,%d}" % _MAX_LENGTH_DIGITS)


@dataclass(frozen=True, slots=True)
class Frame:
    """A message's body."""

    body: bytes


@dataclass(frozen=True, slots=True)
class SkippedFrame:
    """A message that is not read.

    Attributes:
        length_bytes: The length of its body.
        ends: The first and the last bytes of the body.
        why: What is wrong with it, as the end of a sentence.
    """

    length_bytes: int
    ends: bytes
    why: str = "is too long"


@dataclass(frozen=True, slots=True)
class UnreadableStream:
    """A header that cannot be read; nothing after it can be."""

    reason: str


class _HeaderError(ValueError):
    """A header cannot be read; the message is a clause."""


def encode_frame(body: bytes) -> bytes:
    """Put a header before a body."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class FrameDecoder:
    """Cuts a stream of bytes into frames, without doing input or output.

    Args:
        max_body_bytes: The longest body that is kept.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        """Expect a header."""
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._body_bytes: int | None = None
        self._skipped_bytes = 0
        self._skipped_head = b""

    @property
    def begun_bytes(self) -> int:
        """How much has come of a message that is not complete; 0 between messages."""
        come = self._skipped_bytes + len(self._buffer)
        return come if self._body_bytes is None else max(1, come)

    def rest(self) -> bytes:
        """Return what has come of a message that is not complete, nor skipped."""
        if self._body_bytes is None:
            return bytes(self._buffer)
        header = b"Content-Length: %d\r\n\r\n" % self._body_bytes
        return header + bytes(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame | SkippedFrame | UnreadableStream]:
        """Take some bytes, and yield the frames that are complete now.

        Nothing may be fed after an ``UnreadableStream``.
        """
        self._buffer += data
        while True:
            if self._body_bytes is None:
                try:
                    self._body_bytes = self._read_header()
                except _HeaderError as error:
                    yield UnreadableStream(str(error))
                    return
                if self._body_bytes is None:
                    return
            if self._body_bytes > self._max_body_bytes:
                self._skip(self._body_bytes)
            if self._skipped_bytes + len(self._buffer) < self._body_bytes:
                return
            yield self._take_body(self._body_bytes)
            self._body_bytes = None

    def _skip(self, body_bytes: int) -> None:
        """Drop what has come of a body, except its two ends."""
        if not self._skipped_head:
            if len(self._buffer) < min(_KEPT_BYTES, body_bytes):
                return
            self._skipped_head = bytes(self._buffer[:_KEPT_BYTES])
        come = min(len(self._buffer), body_bytes - self._skipped_bytes)
        dropped = max(0, come - _KEPT_BYTES)
        del self._buffer[:dropped]
        self._skipped_bytes += dropped

    def _take_body(self, body_bytes: int) -> Frame | SkippedFrame:
        """Take a complete body, or what was kept of it, off the buffer."""
        left = body_bytes - self._skipped_bytes
        body = bytes(self._buffer[:left])
        del self._buffer[:left]
        if body_bytes <= self._max_body_bytes:
            return Frame(body)
        skipped = SkippedFrame(body_bytes, self._skipped_head + body)
        self._skipped_bytes, self._skipped_head = 0, b""
        return skipped

    def _read_header(self) -> int | None:
        """Read a header, and return the length of its body; None if it goes on.

        Raises:
            _HeaderError: It cannot be read.
        """
        if not self._buffer:
            return None
        if plain := _PLAIN_HEADER.match(self._buffer):
            length = int(plain[1])
            del self._buffer[: plain.end()]
            return length
        # Some clients write a line end after a body.
        while self._buffer.startswith((b"\r", b"\n")):
            del self._buffer[:1]
        match = _HEADER_END.search(self._buffer, 0, _MAX_HEADER_BYTES)
        if match is None:
            if len(self._buffer) >= _MAX_HEADER_BYTES:
                raise _HeaderError("the header does not end")
            return None
        header = bytes(self._buffer[: match.start()])
        del self._buffer[: match.end()]
        return _content_length(header)


def _content_length(header: bytes) -> int:
    """Return the one Content-Length of a header.

    Raises:
        _HeaderError: There is none, more than one, or no plausible one.
    """
    lengths = []
    for line in header.split(b"\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise _HeaderError("a header line has no colon")
        if name.strip().lower() == b"content-length":
            lengths.append(value.strip())
    if len(lengths) != 1:
        raise _HeaderError(f"there are {len(lengths)} Content-Length lines, not one")
    if not _LENGTH.fullmatch(lengths[0]):
        raise _HeaderError("the Content-Length is not a plausible number")
    return int(lengths[0])


def holds_more(body: bytes, most: int) -> bool:
    """Return whether a body of JSON holds more than so many lists and objects.

    Millions of them fit into a body of a few megabytes. To read those holds everybody
    up for seconds, to count them for milliseconds.
    """
    # Code in strings has brackets as well, and most bodies have few in all.
    if body.count(b"[") + body.count(b"{") <= most:
        return False
    bare = _STRING.sub(b"", body)
    return bare.count(b"[") + bare.count(b"{") > most


def skipped_if_crowded(frame: Frame, most: int) -> Frame | SkippedFrame:
    """Return a frame, or as skipped one of more than so many lists and objects."""
    body = frame.body
    if not holds_more(body, most):
        return frame
    why = f"holds more than {most:,} lists and objects"
    return SkippedFrame(len(body), body[:_KEPT_BYTES] + body[-_KEPT_BYTES:], why)


def uris_in(part: bytes) -> set[str]:
    """Return the values of every ``"uri"`` in a part of a message."""
    return {_json_string(found) for found in _URI.findall(part)}


def _json_string(found: bytes) -> str:
    """Read a string of JSON; an empty one if it is none."""
    try:
        return str(json.loads(found))
    except ValueError:
        return ""
