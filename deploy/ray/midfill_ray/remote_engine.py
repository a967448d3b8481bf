"""The engines of all replicas, as one `Engine` that the ingress works with."""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from lsp_server.engine.failure import Failure
from lsp_server.engine_values import EngineHealth, EngineInfo, EngineState
from lsp_server.errors import (
    DeadlinePassedError,
    EngineDeadError,
    EngineError,
    GenerationError,
    OverloadedError,
)
from lsp_server.values import GenerationRequest, TokenDelta
from midfill_ray.wire import Batch, Call, Description, session_of

__all__ = ["RemoteEngine"]

_log = logging.getLogger(__name__)

_TRIES = 3
"""How many replicas a request is sent to before it fails."""

_NO_DEADLINE_S = 30.0
"""How long a request without a deadline waits for its first token."""

_PREFILL_S = 1.0
"""How long after its deadline the first token of a request may come: that says until
when it is scheduled.
"""

_RETRY_S = 1.0


class Batches(Protocol):
    """The answer of a replica, as it comes."""

    def __aiter__(self) -> AsyncIterator[Batch]:
        """Return what yields the batches."""
        ...

    def cancel(self) -> None:
        """End the request; one that has ended is ignored."""
        ...


class RemoteEngine:
    """Has a replica generate, and another one if it is lost meanwhile.

    A replica that is lost in the middle costs a stream nothing but time: the other one
    continues behind the tokens that came, which it reads as a part of the prompt.

    Args:
        replicas: The replicas' deployment.
        description: What every replica is.
        secret: The deployment's, for `session_of`.
    """

    def __init__(
        self, replicas: DeploymentHandle, description: Description, secret: bytes
    ) -> None:
        self._replicas = replicas.options(
            method_name="generate",
            stream=True,
            # By gRPC between the two processes, not as objects in Ray's store.
            _by_reference=False,
            request_serialization="pickle",
            response_serialization="pickle",
        )
        self._description = description
        self._secret = secret
        self._in_flight = 0

    @property
    def info(self) -> EngineInfo:
        """Name, version and device of each replica's engine."""
        return self._description.engine

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate on the document's replica; closing the generator aborts.

        Raises:
            EngineError: No replica could.
        """
        came: list[int] = []
        self._in_flight += 1
        try:
            for attempt in range(_TRIES):
                try:
                    rest = _behind(request, came)
                    async with contextlib.aclosing(self._ask(rest, attempt)) as deltas:
                        async for delta in deltas:
                            came += delta.token_ids
                            yield delta
                            if delta.finish_reason is not None:
                                return
                except (EngineDeadError, GenerationError) as error:
                    # One replica's end is not that of the engine which all of them are.
                    if attempt == _TRIES - 1 or not _can_go_on(request, came):
                        raise _lost(request) from error
                    extra = {"request_id": request.request_id, "tokens": len(came)}
                    _log.warning("ray.replica_lost", extra=extra)
                else:
                    raise _lost(request)
        finally:
            self._in_flight -= 1

    async def abort(self, request_id: str) -> None:
        """Do nothing: who wants a request to end closes its generator."""

    async def health(self) -> EngineHealth:
        """Return that it works: Ray Serve sees to the replicas' health."""
        return EngineHealth(state=EngineState.READY, requests_in_flight=self._in_flight)

    async def close(self) -> None:
        """Do nothing: the replicas are Ray Serve's."""

    async def _ask(
        self, request: GenerationRequest, attempt: int
    ) -> AsyncGenerator[TokenDelta]:
        """Yield what one replica generates.

        Raises:
            EngineError: It could not.
        """
        left_s = None
        if request.deadline_s is not None:
            left_s = request.deadline_s - asyncio.get_running_loop().time()
        session = session_of(self._secret, request)
        call = Call(
            request=dataclasses.replace(request, document="", deadline_s=None),
            left_s=left_s,
            fingerprint=self._description.fingerprint,
        )
        # The router has each attempt begin with another replica.
        handle = self._replicas.options(
            session_id=f"{session}.{attempt}" if attempt else session
        )
        batches: Batches = handle.remote(call)
        try:
            stream = aiter(batches)
            limit_s = _NO_DEADLINE_S if left_s is None else left_s + _PREFILL_S
            batch = await _first(stream, limit_s, request)
            while batch is not None:
                if isinstance(batch, Failure):
                    raise batch.error()
                for delta in batch:
                    yield delta
                batch = await anext(stream, None)
        except BackPressureError as error:
            raise OverloadedError(
                "every replica has enough to do",
                subject=f"request {request.request_id}",
                remedy="Try again later",
                retry_after_s=_RETRY_S,
            ) from error
        except (RayError, RayServeException) as error:
            raise EngineDeadError(
                "its replica was lost",
                subject=f"request {request.request_id}",
                remedy="Send it again",
            ) from error
        finally:
            batches.cancel()


async def _first(
    stream: AsyncIterator[Batch], limit_s: float, request: GenerationRequest
) -> Batch | None:
    """Return the first batch; None if there is none.

    Raises:
        DeadlinePassedError: It did not come in time, as where there is no replica.
    """
    try:
        async with asyncio.timeout(limit_s):
            return await anext(stream, None)
    except TimeoutError as error:
        raise DeadlinePassedError(
            "no replica has begun it in time",
            subject=f"request {request.request_id}",
            remedy="Try again later",
            retry_after_s=_RETRY_S,
        ) from error


def _behind(request: GenerationRequest, came: list[int]) -> GenerationRequest:
    """Return a request for the tokens that are missing after those that came."""
    if not came:
        return request
    return dataclasses.replace(
        request,
        token_ids=(*request.token_ids, *came),
        max_tokens=request.max_tokens - len(came),
        hold=None,
    )


def _can_go_on(request: GenerationRequest, came: list[int]) -> bool:
    """Return whether another replica can go on: all or nothing of the hold is spelt."""
    held = len(request.hold.typed_ids) if request.hold else 0
    return not came or held <= len(came) < request.max_tokens


def _lost(request: GenerationRequest) -> EngineError:
    return GenerationError(
        "no replica has completed it",
        subject=f"request {request.request_id}",
        remedy="Send it again",
    )
