"""The engines of all replicas as one, on replicas that are made up."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError

from lsp_server.engine.failure import Failure
from lsp_server.engine_values import EngineInfo
from lsp_server.errors import (
    DeadlinePassedError,
    EngineDeadError,
    EngineError,
    GenerationError,
    OverloadedError,
    RequestRejectedError,
    UserOverloadedError,
)
from lsp_server.values import FinishReason, GenerationRequest, Hold, TokenDelta
from midfill_ray.remote_engine import RemoteEngine
from midfill_ray.wire import Batch, Call, Description

DESCRIPTION = Description(
    model="m",
    fingerprint="f",
    engine=EngineInfo(name="scripted", version="1", device="cpu", max_model_len=99),
)
REQUEST = GenerationRequest(
    request_id="r", token_ids=(1, 2), max_tokens=4, user="u", document="file:///a.py"
)
Answer = Callable[[Call], AsyncGenerator[Batch]]


def tokens(*ids: int, ends: bool = False) -> Batch:
    """Return a batch of one delta."""
    reason = FinishReason.LENGTH if ends else None
    return (TokenDelta(token_ids=ids, finish_reason=reason),)


@dataclass
class Replicas:
    """Stands for Ray's handle: each request gets the next answer."""

    answers: list[Answer]
    calls: list[Call] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    cancelled: int = 0

    def options(self, *, session_id: str = "", **_others: object) -> "Replicas":
        if session_id:
            self.sessions.append(session_id)
        return self

    def remote(self, call: Call) -> "Response":
        self.calls.append(call)
        return Response(self, self.answers[len(self.calls) - 1](call))


class Response:
    """Stands for Ray's response, which can be cancelled."""

    def __init__(self, replicas: Replicas, batches: AsyncGenerator[Batch]) -> None:
        self._replicas = replicas
        self._batches = batches

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self._batches

    def cancel(self) -> None:
        self._replicas.cancelled += 1


def says(*batches: Batch, then: Exception | None = None) -> Answer:
    """Return a replica that sends these batches, and then perhaps fails."""

    async def answer(_call: Call) -> AsyncGenerator[Batch]:
        for batch in batches:
            yield batch
        if then is not None:
            raise then

    return answer


async def generated(
    replicas: Replicas, request: GenerationRequest = REQUEST
) -> list[int]:
    """Return all tokens of a request."""
    engine = RemoteEngine(replicas, DESCRIPTION, b"secret")
    found: list[int] = []
    async with aclosing(engine.generate(request)) as deltas:
        async for delta in deltas:
            found += delta.token_ids
    return found


LOST = ActorDiedError()


async def test_tokens_come_as_the_replica_sends_them() -> None:
    """And the replica gets the model's fingerprint, and no document's name."""
    replicas = Replicas([says(tokens(5), tokens(6, 7, ends=True))])
    assert [5, 6, 7] == await generated(replicas)
    [call] = replicas.calls
    assert ("f", "") == (call.fingerprint, call.request.document)
    assert "a.py" not in replicas.sessions[0]


async def test_another_replica_goes_on_where_one_was_lost() -> None:
    """What came is a part of the second one's prompt."""
    replicas = Replicas([says(tokens(5), then=LOST), says(tokens(6, 7, 8, ends=True))])
    assert [5, 6, 7, 8] == await generated(replicas)
    second = replicas.calls[1].request
    assert ((1, 2, 5), 3) == (second.token_ids, second.max_tokens)
    assert 2 == len(set(replicas.sessions))


@pytest.mark.parametrize(
    ("came", "goes_on"), [((), True), ((5,), False), ((5, 6), True)]
)
async def test_a_held_text_is_spelt_by_one_replica(
    came: tuple[int, ...],
    goes_on: bool,  # noqa: FBT001  a parameter of pytest's
) -> None:
    """A half of it cannot be continued; before and behind it nothing is lost."""
    hold = Hold(text="xy", typed_ids=(5, 6), steps=())
    request = GenerationRequest(request_id="r", token_ids=(1,), max_tokens=4, hold=hold)
    first = says(*([tokens(*came)] if came else []), then=LOST)
    replicas = Replicas([first, says(tokens(9, ends=True))])
    if goes_on:
        assert [*came, 9] == await generated(replicas, request)
        assert (replicas.calls[1].request.hold is None) is bool(came)
    else:
        with pytest.raises(GenerationError):
            await generated(replicas, request)


async def test_every_replica_lost_is_no_dead_engine() -> None:
    """Or the ingress would start again what is not its own."""
    with pytest.raises(GenerationError):
        await generated(Replicas([says(then=LOST)] * 3))


@pytest.mark.parametrize(
    "error",
    [
        RequestRejectedError("w", subject="s", remedy="r"),
        UserOverloadedError("w", subject="s", remedy="r", retry_after_s=3.0),
        DeadlinePassedError("w", subject="s", remedy="r", retry_after_s=3.0),
    ],
)
async def test_a_refusal_is_the_replicas_own(error: EngineError) -> None:
    """It comes with its kind and words, and is not tried elsewhere."""
    replicas = Replicas([says(Failure.of(error))])
    with pytest.raises(type(error)) as raised:
        await generated(replicas)
    assert str(error) == str(raised.value)
    assert getattr(error, "retry_after_s", 0) == getattr(
        raised.value, "retry_after_s", 0
    )
    assert 1 == len(replicas.calls)


async def test_a_dead_engine_of_one_replica_is_passed_over() -> None:
    """While Ray Serve replaces it, the others answer."""
    dead = Failure.of(EngineDeadError("w", subject="s", remedy="r"))
    replicas = Replicas([says(dead), says(tokens(5, ends=True))])
    assert [5] == await generated(replicas)


async def test_full_replicas_are_an_overload() -> None:
    """So clients are told when to come back."""
    with pytest.raises(OverloadedError) as raised:
        await generated(Replicas([says(then=BackPressureError(9, 9))]))
    assert 0 < raised.value.retry_after_s


async def test_no_replica_in_time_is_an_overload() -> None:
    """A request with a deadline does not wait for a replica to start."""

    async def silent(_call: Call) -> AsyncGenerator[Batch]:
        await asyncio.Event().wait()
        yield ()

    now_s = asyncio.get_running_loop().time()
    request = GenerationRequest(
        request_id="r", token_ids=(1,), max_tokens=4, deadline_s=now_s + 0.01
    )
    replicas = Replicas([silent])
    with pytest.raises(DeadlinePassedError):
        await generated(replicas, request)
    assert 1 == replicas.cancelled


async def test_leaving_a_stream_cancels_it_on_the_replica() -> None:
    """As a client that goes, or types on, leaves it."""
    replicas = Replicas([says(tokens(5), tokens(6), tokens(7))])
    engine = RemoteEngine(replicas, DESCRIPTION, b"secret")
    async with aclosing(engine.generate(REQUEST)) as deltas:
        await anext(deltas)
        assert 1 == (await engine.health()).requests_in_flight
    assert 1 == replicas.cancelled
    assert 0 == (await engine.health()).requests_in_flight
