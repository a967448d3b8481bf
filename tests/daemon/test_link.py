"""What two processes of one server send each other, here within one event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.access.keys import NO_KEY, Key, KeyLimits
from lsp_server.access.limiter import Limiter
from lsp_server.daemon.front_ends.engine_link import (
    LinkedEngine,
    SharedEngine,
    serve_generation,
)
from lsp_server.daemon.front_ends.link import Link, Serve, Stream
from lsp_server.daemon.front_ends.shared_limits import (
    AdmissionWanted,
    CheckWanted,
    SharedLimits,
    serve_admission,
    serve_check,
)
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.errors import EngineDeadError, QuotaError, RequestRejectedError
from lsp_server.values import GenerationRequest, TokenDelta

REQUEST = GenerationRequest(request_id="r", token_ids=(1, 2), max_tokens=4)
KEY = Key(key_id="k", name="", limits=KeyLimits(concurrent=1, tokens_per_day=100))


@asynccontextmanager
async def linked(serve: Serve) -> AsyncIterator[Link]:
    """Link two ends, of which the other one serves."""

    async def nothing(_order: object, _stream: Stream) -> None:
        """Serve nothing."""

    ours, theirs = socket.socketpair()
    first = await Link.connect(ours, nothing, is_first=True)
    second = await Link.connect(theirs, serve, is_first=False)
    try:
        yield first
    finally:
        first.close()
        async with asyncio.timeout(10):
            await second.wait_until_lost()


async def echo(order: object, stream: Stream) -> None:
    """Send back the order, then whatever is sent."""
    stream.send(order)
    async for value in stream:
        stream.send(value)


@given(st.lists(st.lists(st.binary(max_size=300_000), max_size=5), max_size=5))
async def test_every_stream_gets_its_own_values_in_order(
    sent: list[list[bytes]],
) -> None:
    """However long they are, and however many streams there are."""
    async with linked(echo) as link, asyncio.timeout(30):
        streams = [link.open(number) for number in range(len(sent))]
        for stream, values in zip(streams, sent, strict=True):
            for value in values:
                stream.send(value)
        for number, (stream, values) in enumerate(zip(streams, sent, strict=True)):
            found = [await anext(stream) for _ in range(len(values) + 1)]
            assert [number, *values] == found
            stream.end()


async def test_who_cancels_a_stream_ends_the_work_for_it() -> None:
    """And no other."""
    cancelled = asyncio.Event()

    async def work(order: object, stream: Stream) -> None:
        stream.send(order)
        try:
            await asyncio.Event().wait()
        finally:
            if order == "one":
                cancelled.set()

    async with linked(work) as link, asyncio.timeout(10):
        one, other = link.open("one"), link.open("other")
        assert ["one", "other"] == [await anext(one), await anext(other)]
        one.cancel()
        await cancelled.wait()
        other.cancel()


async def test_a_stream_that_is_cancelled_at_once_leaves_nothing_behind() -> None:
    """Its task never begins; the next order is served."""
    begun: list[object] = []

    async def note(order: object, stream: Stream) -> None:
        begun.append(order)
        stream.send(order)

    async with linked(note) as link, asyncio.timeout(10):
        for number in range(100):
            link.open(number).cancel()
        assert "last" == await anext(link.open("last"))
    assert ["last"] == begun


async def test_a_stream_whose_work_fails_costs_itself_alone() -> None:
    """It ends with an error; the next one is served."""

    async def fail(order: object, stream: Stream) -> None:
        if order == "bad":
            raise ValueError(order)
        stream.send(order)

    async with linked(fail) as link, asyncio.timeout(10):
        with pytest.raises(EngineDeadError):
            await anext(link.open("bad"))
        assert "good" == await anext(link.open("good"))


async def test_the_end_of_a_process_ends_what_is_open_and_what_it_asked_for() -> None:
    """What is opened afterwards fails as well."""
    waiting = asyncio.Event()
    cancelled = asyncio.Event()

    async def wait(_order: object, _stream: Stream) -> None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with linked(wait) as link, asyncio.timeout(10):
        stream = link.open("a")
        await waiting.wait()
        link.close()
        for each in (stream, link.open("b")):
            with pytest.raises(EngineDeadError):
                await anext(each)
        await cancelled.wait()


async def test_a_side_that_reads_nothing_is_cut_off() -> None:
    """Before what waits for it fills the memory."""
    ours, theirs = socket.socketpair()
    with theirs:
        link = await Link.connect(ours, echo, is_first=True)
        stream = link.open("a")
        for _ in range(70):
            stream.send(bytes(1 << 20))
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await link.wait_until_lost()


@asynccontextmanager
async def linked_engine(engine: ScriptedEngine) -> AsyncIterator[LinkedEngine]:
    """Link an engine."""

    async def serve(order: object, stream: Stream) -> None:
        assert isinstance(order, GenerationRequest)
        await serve_generation(engine, order, stream, name="f1")

    async with linked(serve) as link:
        yield LinkedEngine(SharedEngine(link), engine.info)


async def test_a_linked_engine_answers_as_the_engine_does() -> None:
    """Delta by delta."""
    engine = ScriptedEngine(Script(answer_ids=(5, 6, 7)))
    async with linked_engine(engine) as other, asyncio.timeout(10):
        await deltas(engine.generate(REQUEST))  # fills the prefix cache
        assert await deltas(engine.generate(REQUEST)) == await deltas(
            other.generate(REQUEST)
        )


async def deltas(generation: AsyncGenerator[TokenDelta]) -> list[TokenDelta]:
    """Return all deltas."""
    async with aclosing(generation) as found:
        return [delta async for delta in found]


async def test_who_leaves_a_linked_engine_aborts_there() -> None:
    """The engine has nothing in flight soon after."""
    engine = ScriptedEngine(Script(answer_ids=(5,) * 9, token_delay_ms=20))
    async with linked_engine(engine) as other, asyncio.timeout(10):
        async with aclosing(other.generate(REQUEST)) as found:
            await anext(found)
            assert 1 == (await engine.health()).requests_in_flight
        while (await engine.health()).requests_in_flight:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0)


@pytest.mark.parametrize("kind", [RequestRejectedError, EngineDeadError])
async def test_errors_of_a_linked_engine_are_its_own(
    kind: type[RequestRejectedError | EngineDeadError],
) -> None:
    """With their words."""
    engine = ScriptedEngine(
        Script(answer_ids=(5,), die_after_requests=kind is EngineDeadError)
    )
    request = REQUEST
    if kind is RequestRejectedError:
        request = GenerationRequest(request_id="r", token_ids=(1,) * 5000, max_tokens=1)
    async with linked_engine(engine) as other, asyncio.timeout(10):
        with pytest.raises(kind) as raised:
            await deltas(other.generate(request))
    assert raised.value.what
    assert raised.value.remedy


@asynccontextmanager
async def shared_limits(limiter: Limiter) -> AsyncIterator[SharedLimits]:
    """Link a limiter."""

    async def serve(order: object, stream: Stream) -> None:
        if isinstance(order, CheckWanted):
            await serve_check(limiter, order, stream)
        elif isinstance(order, AdmissionWanted):
            await serve_admission(limiter, order, stream)

    async with linked(serve) as link:
        yield SharedLimits(link)


async def test_a_limit_counts_what_all_front_ends_take() -> None:
    """One request at a time is one in all, and frees its place at its end."""
    limiter = Limiter()
    async with shared_limits(limiter) as one, shared_limits(limiter) as other:
        async with asyncio.timeout(10), one.admit(KEY, 10):
            with pytest.raises(QuotaError) as refused:
                async with other.admit(KEY, 10):
                    pass
        assert refused.value.retry_after_s > 0
        await admitted(other)


async def admitted(limits: SharedLimits) -> None:
    """Wait until a request is let in: two links keep no order between them."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(QuotaError):
                async with limits.admit(KEY, 10):
                    return


async def test_what_a_request_took_is_charged_in_place_of_what_it_might() -> None:
    """Before the next request is judged."""
    limiter = Limiter()
    async with shared_limits(limiter) as limits, asyncio.timeout(10):
        async with limits.admit(KEY, 90) as charge:
            charge.settle(20)
        async with limits.admit(KEY, 75) as charge:
            charge.settle(75)
        assert 5 == limiter.tokens_left(KEY)


async def test_a_used_up_key_is_refused_before_its_request_is_read() -> None:
    """And one that has a share left is not."""
    limiter = Limiter()
    async with shared_limits(limiter) as limits, asyncio.timeout(10):
        async with limits.admit(KEY, 90) as charge:
            charge.settle(99)
        await limits.check(KEY)
        async with limits.admit(KEY, 1):
            pass
        with pytest.raises(QuotaError):
            await limits.check(KEY)


async def test_a_request_that_fails_frees_its_place() -> None:
    """And so does a front end that ends."""
    limiter = Limiter()
    async with asyncio.timeout(10):
        with contextlib.suppress(ValueError):
            async with shared_limits(limiter) as limits, limits.admit(KEY, 10):
                raise ValueError
        async with shared_limits(limiter) as limits:
            await admitted(limits)


async def test_a_key_without_limits_needs_no_answer() -> None:
    """It is asked about nowhere, so a lost link refuses nothing."""
    async with shared_limits(Limiter()) as limits:
        pass
    async with limits.admit(NO_KEY, 10**9) as charge:
        charge.settle(1)
