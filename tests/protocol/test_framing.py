"""Frames come out of any stream of bytes, and a fault costs as little as can be."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.protocol.framing import (
    Frame,
    FrameDecoder,
    FrameFault,
    UnreadableStream,
    encode_frame,
)

GOOD = encode_frame(b'{"next":1}')
NEXT = Frame(b'{"next":1}')

Event = Frame | FrameFault | UnreadableStream


def decode(data: bytes, *, max_body_bytes: int = 1000) -> list[Event]:
    """Decode bytes that come in one piece."""
    return list(FrameDecoder(max_body_bytes).feed(data))


def kinds(events: list[Event]) -> list[Event | type[Event]]:
    """Keep frames, and of faults only their class."""
    return [e if isinstance(e, Frame) else type(e) for e in events]


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
    decoder, got = FrameDecoder(), []
    for size in [*sizes, len(data)]:
        got += list(decoder.feed(data[:size]))
        data = data[size:]
    assert [Frame(body) for body in bodies] == got


@given(st.binary(max_size=20))
def test_an_encoded_body_is_decoded(body: bytes) -> None:
    """Encoding and decoding is a round trip."""
    assert [Frame(body)] == decode(encode_frame(body))


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: -5",
        b"Content-Length: +5",
        b"Content-Length: 5x",
        b"Content-Length: 0x10",
        b"Content-Length: \xd9\xa5",
        b"Content-Length: ",
        b"Content-Length: 1001",
        b"Content-Length: 1000000000000",
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5\r\ncontent-length: 6",
        b"Content-Type: application/vscode-jsonrpc",
        b"no colon here",
    ],
)
def test_a_wrong_header_is_one_fault(header: bytes) -> None:
    """The frame is skipped, whatever its body is, and the next one comes."""
    data = header + b'\r\n\r\n{"a":1}' + GOOD
    assert [FrameFault, NEXT] == kinds(decode(data))


def test_an_absurd_length_allocates_nothing() -> None:
    """A length over the cap is refused before memory is taken for it."""
    tracemalloc.start()
    try:
        events = decode(b"Content-Length: 999999999999999\r\n\r\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [FrameFault] == kinds(events)
    assert peak < 1_000_000


def test_a_skipped_body_is_not_kept() -> None:
    """The body of a frame that was refused is thrown away as it comes."""
    decoder = FrameDecoder(1_000_000)
    events = list(decoder.feed(b"Content-Length: 5000000\r\n\r\n"))
    for _ in range(10):
        events += list(decoder.feed(b"x" * 100_000))
    assert len(decoder._buffer) < 1000
    assert [FrameFault] == kinds(events)


def test_a_header_inside_of_a_body_ends_it() -> None:
    """A length that was too long is noticed when the next header comes."""
    body = b'{"a":1}'
    data = b"Content-Length: 500\r\n\r\n" + body + GOOD
    assert [FrameFault, NEXT] == kinds(decode(data))


def test_a_header_inside_of_a_body_is_found_when_it_is_split() -> None:
    """It does not matter where the bytes of that header are cut."""
    for cut in range(len(GOOD)):
        decoder = FrameDecoder()
        events = list(decoder.feed(b"Content-Length: 500\r\n\r\n{}" + GOOD[:cut]))
        events += list(decoder.feed(GOOD[cut:]))
        assert [FrameFault, NEXT] == kinds(events)


@pytest.mark.parametrize("wrong_by", [-3, 3, 30])
def test_a_body_that_was_no_message_is_taken_back(wrong_by: int) -> None:
    """After a wrong length the next message is found, even where it was swallowed."""
    body = b'{"a":1}'
    data = b"Content-Length: %d\r\n\r\n%b" % (len(body) + wrong_by, body)
    decoder = FrameDecoder(1000)
    got: list[Event] = []
    for event in decoder.feed(data + GOOD + GOOD):
        got.append(event)
        if isinstance(event, Frame) and event != NEXT:
            decoder.take_back(event.body)
    assert [NEXT, NEXT] == got[1:]


def test_a_malformed_body_costs_only_itself() -> None:
    """With a right length, the frames around a body that is no JSON come through."""
    decoder = FrameDecoder()
    got = []
    for event in decoder.feed(GOOD + encode_frame(b"{nonsense") + GOOD):
        got.append(event)
        if event != NEXT:
            assert isinstance(event, Frame)
            decoder.take_back(event.body)
    assert [NEXT, Frame(b"{nonsense"), NEXT] == got


def test_a_header_without_end_is_a_fault() -> None:
    """Eight kilobytes of header are no header."""
    decoder = FrameDecoder(100_000)
    assert [FrameFault] == kinds(list(decoder.feed(b"x: y\r\n" * 2000)))
    assert [NEXT] == list(decoder.feed(GOOD))


def test_garbage_without_end_makes_the_stream_unreadable() -> None:
    """When no header comes for long, there is nothing left to wait for."""
    decoder = FrameDecoder(1000)
    events = list(decoder.feed(b"Content-Length: x\r\n\r\n"))
    for _ in range(20):
        events += list(decoder.feed(b"z" * 100))
        if isinstance(events[-1], UnreadableStream):
            break
    assert [FrameFault, UnreadableStream] == kinds(events)


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
    """Whatever comes: no exception, no loop, and never more kept than was fed."""
    decoder = FrameDecoder(1000)
    for part in parts:
        for event in decoder.feed(part):
            if isinstance(event, Frame) and event != NEXT:
                decoder.take_back(event.body)
    assert len(decoder._buffer) <= sum(map(len, parts))
