"""Frames come out of any stream of bytes; one that is too long costs only itself."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.protocol.framing import (
    Frame,
    FrameDecoder,
    SkippedFrame,
    UnreadableStream,
    encode_frame,
    holds_more,
)

GOOD = encode_frame(b'{"next":1}')
NEXT = Frame(b'{"next":1}')

Event = Frame | SkippedFrame | UnreadableStream


def decode(*parts: bytes, max_body_bytes: int = 1000) -> list[Event]:
    """Decode bytes that come in pieces, until the stream is unreadable."""
    decoder, events = FrameDecoder(max_body_bytes), list[Event]()
    for part in parts:
        events += decoder.feed(part)
        if events and isinstance(events[-1], UnreadableStream):
            break
    return events


@given(
    st.lists(st.binary(max_size=20), min_size=1, max_size=6),
    st.lists(st.integers(1, 12)),
    st.sampled_from(["Content-Length", "content-length", "CONTENT-LENGTH"]),
    st.sampled_from([b"\r\n", b"\n"]),
)
def test_frames_survive_any_split(
    bodies: list[bytes], sizes: list[int], name: str, line_end: bytes
) -> None:
    """However the bytes are cut, and whatever the header's case and line ends are."""
    header = name.encode() + b": %d" + line_end + b"Content-Type: x" + 2 * line_end
    data = b"".join(header % len(body) + body for body in bodies)
    parts = []
    for size in [*sizes, len(data)]:
        parts.append(data[:size])
        data = data[size:]
    assert [Frame(body) for body in bodies] == decode(*parts)


@given(st.binary(max_size=20))
def test_an_encoded_body_is_decoded(body: bytes) -> None:
    """Encoding and decoding is a round trip."""
    assert [Frame(body)] == decode(encode_frame(body))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"Content-Length: -5", "plausible"),
        (b"Content-Length: +5", "plausible"),
        (b"Content-Length: 5x", "plausible"),
        (b"Content-Length: 0x10", "plausible"),
        (b"Content-Length: \xd9\xa5", "plausible"),
        (b"Content-Length: ", "plausible"),
        (b"Content-Length: 10000000000", "plausible"),
        (b"Content-Length: " + b"9" * 5000, "plausible"),
        (b"Content-Length: 5\r\nContent-Length: 5", "2 Content-Length"),
        (b"Content-Length: 5\r\ncontent-length: 6", "2 Content-Length"),
        (b"Content-Type: application/vscode-jsonrpc", "0 Content-Length"),
        (b"no colon here", "no colon"),
        (b"x: y\r\n" * 2000, "does not end"),
    ],
)
def test_a_header_that_cannot_be_read_ends_the_stream(
    header: bytes, reason: str
) -> None:
    """The frames before it come, and of what is after it nothing is guessed."""
    data = GOOD + header + b'\r\n\r\n{"a":1}' + GOOD
    first, last = decode(data)
    assert NEXT == first
    assert isinstance(last, UnreadableStream)
    assert reason in last.reason


def test_a_header_of_8_kilobytes_is_not_waited_for() -> None:
    """A header that never ends is noticed although only a part of it has come."""
    assert [] == decode(b"x" * 8191)
    assert UnreadableStream("the header does not end") in decode(b"x" * 8192)


@given(st.integers(1001, 70_000), st.lists(st.integers(1, 30_000)), st.booleans())
def test_a_body_that_is_too_long_is_skipped(
    length: int,
    sizes: list[int],
    waits: bool,  # noqa: FBT001 - drawn by the test
) -> None:
    """However it comes, the next frame is read; the body's two ends are kept."""
    body = b"head" + b"x" * (length - 8) + b"tail"
    data = GOOD + encode_frame(body) + GOOD
    parts = [data[:50]] if waits else []
    rest = data[50:] if waits else data
    for size in [*sizes, len(rest)]:
        parts.append(rest[:size])
        rest = rest[size:]
    first, skipped, last = decode(*parts)
    assert [NEXT, NEXT] == [first, last]
    assert isinstance(skipped, SkippedFrame)
    assert length == skipped.length_bytes
    assert skipped.ends.startswith(b"head")
    assert skipped.ends.endswith(b"tail")


def test_the_longest_body_is_kept() -> None:
    """The limit itself is no excess."""
    assert [Frame(b"x" * 1000)] == decode(encode_frame(b"x" * 1000))
    (event,) = decode(encode_frame(b"x" * 1001))
    assert isinstance(event, SkippedFrame)


def test_a_document_of_50_mb_is_read() -> None:
    """JSON may double it."""
    body = bytes(100 * 1024 * 1024)
    (event,) = FrameDecoder().feed(encode_frame(body))
    assert event == Frame(body)


def test_a_short_body_that_is_skipped_keeps_all_of_it() -> None:
    """Each of its two ends is the whole body, however it comes."""
    body = bytes(range(256))
    frame = encode_frame(body)
    parts = [frame[:-200], frame[-200:-100], frame[-100:]]
    (event,) = decode(*parts, max_body_bytes=255)
    assert isinstance(event, SkippedFrame)
    assert event.ends == body + body


def test_a_skipped_body_is_not_kept() -> None:
    """It is thrown away as it comes: 9 GB would be skipped in a megabyte."""
    decoder = FrameDecoder()
    list(decoder.feed(b"Content-Length: 9000000000\r\n\r\n"))
    chunk = b"x" * 262_144
    tracemalloc.start()
    try:
        events = [event for _ in range(64) for event in decoder.feed(chunk)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [] == events
    assert peak < 1_000_000


def test_blank_lines_before_a_header_do_no_harm() -> None:
    """Some clients end a body with a line end of its own."""
    assert [NEXT, NEXT] == decode(b"\r\n\n" + GOOD + b"\r\n" + GOOD)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from(
                [b"Content-Length: ", b"content-length:5", b"\r\n\r\n", b"\n", GOOD]
            ),
        ),
        max_size=12,
    )
)
def test_no_bytes_break_the_decoder(parts: list[bytes]) -> None:
    """Whatever comes: no exception, no loop, and no more bytes than were fed."""
    out = [e.body for e in decode(*parts) if isinstance(e, Frame)]
    assert sum(map(len, out)) <= sum(map(len, parts))


@pytest.mark.parametrize(
    ("body", "holds"),
    [
        (b"[[], {}, 1]", 3),
        (b'["[[[{{", {"a]": "\\"[["}]', 2),
        (b'["\\\\", ["\\"", [', 3),
        (b'["[[', 1),
        (b'["\\"[\\"[\\', 1),
        ('["é[", {}]'.encode(), 2),
    ],
)
def test_lists_and_objects_are_counted_without_strings(body: bytes, holds: int) -> None:
    """Brackets of code are none of JSON's, also in a string that does not end."""
    assert holds_more(body, holds - 1)
    assert not holds_more(body, holds)
