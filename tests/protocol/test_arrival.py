"""A message has a deadline once it has begun, and earns time by what comes of it."""

from lsp_server.protocol.arrival import ArrivalDeadline, ArrivalLimits

LIMITS = ArrivalLimits(stall_s=10, bytes_per_s=1000)


def test_between_messages_there_is_no_deadline() -> None:
    """An editor may be silent for hours."""
    deadline = ArrivalDeadline(LIMITS)
    ends = [deadline.at_s]
    for begun_bytes in (5, 0):
        deadline.update(now_s=1, begun_bytes=begun_bytes, is_next=False)
        ends.append(deadline.at_s)
    assert [None, 11 + 5 / 1000, None] == ends


def test_one_byte_a_second_earns_next_to_nothing() -> None:
    """The deadline counts from the beginning, not from the last byte."""
    deadline = ArrivalDeadline(LIMITS)
    for second in range(10):
        deadline.update(now_s=second, begun_bytes=1 + second, is_next=False)
    assert 10 + 10 / 1000 == deadline.at_s


def test_a_slow_line_gets_its_time() -> None:
    """A large message that keeps coming is never too late."""
    deadline = ArrivalDeadline(LIMITS)
    for second in range(1, 1000):
        deadline.update(now_s=second, begun_bytes=1000 * second, is_next=False)
        assert deadline.at_s is not None
        assert deadline.at_s > second + 1


def test_each_message_has_its_own_deadline() -> None:
    """A client that is always in the middle of some message is not cut off."""
    deadline = ArrivalDeadline(LIMITS)
    for second in range(100):
        deadline.update(now_s=second, begun_bytes=1, is_next=True)
        assert second + 10 + 1 / 1000 == deadline.at_s
