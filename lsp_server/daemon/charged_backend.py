"""Holds an editor's requests to the limits of its key, and logs them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lsp_server.access.access_log import AccessLog, AccessRecord
from lsp_server.access.keys import Key, Route
from lsp_server.access.limiter import Limits
from lsp_server.config import Config
from lsp_server.errors import AccessError, QuotaError
from lsp_server.metrics import Metrics, Refusal
from lsp_server.metrics import Route as MetricsRoute
from lsp_server.outcomes import CompletionResult, Ending, Reason
from lsp_server.project.provider import Event
from lsp_server.service import reasons
from lsp_server.service.backend import Backend, EngineListener
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Prompt, Snapshot, Trigger

__all__ = ["ChargedBackend", "Charges"]

_CHARS_PER_TOKEN = 3

_STATUSES: Mapping[Ending, int] = MappingProxyType(
    {
        Ending.SHOWN: 200,
        Ending.EMPTY: 200,
        Ending.SUPERSEDED: 499,
        Ending.CANCELLED: 499,
        Ending.FAILED: 500,
    }
)
_NO_ENGINE, _QUOTA, _REVOKED = 503, 429, 401
_UNAVAILABLE = frozenset({reasons.BUSY, reasons.NOT_READY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """What an editor's requests are held to and counted by.

    Attributes:
        identify: Returns the editor's key as it is now; raises `AccessError`.
        end: Ends the connection, for the reason given.
        limiter: Holds keys to their limits.
        access_log: Takes a line for each request.
        metrics: Counts what is refused.
        most_tokens: The most tokens that one request may take.
    """

    identify: Callable[[], Key]
    end: Callable[[str], None]
    limiter: Limits
    access_log: AccessLog
    metrics: Metrics
    most_tokens: int


class ChargedBackend:
    """A backend whose requests count towards a key's limits, and are logged.

    Args:
        inner: Completes.
        charges: What requests are held to.
    """

    def __init__(self, inner: Backend, charges: Charges) -> None:
        self._inner = inner
        self._charges = charges

    async def start(self, listener: EngineListener) -> None:
        """Attach to the engine."""
        await self._inner.start(listener)

    async def complete(
        self,
        snapshot: Snapshot,
        *,
        request_id: str,
        trigger: Trigger,
        typed: TypedAhead,
    ) -> CompletionResult:
        """Complete, if the key still holds and its limits allow it."""
        charges = self._charges
        try:
            key = charges.identify()
        except AccessError as error:
            charges.metrics.request_refused(MetricsRoute.LSP, Refusal.UNAUTHORISED)
            self._log(request_id, "", _REVOKED)
            charges.end("key does not hold any more")
            return CompletionResult(reason=_refused(error))
        status, result = _STATUSES[Ending.CANCELLED], None
        try:
            async with charges.limiter.admit(key, charges.most_tokens) as grant:
                # Of a request that is taken back only its prompt was computed.
                prompt_tokens = len(snapshot.text) // _CHARS_PER_TOKEN
                grant.settle(min(charges.most_tokens, prompt_tokens))
                result = await self._inner.complete(
                    snapshot, request_id=request_id, trigger=trigger, typed=typed
                )
                grant.settle(_tokens(result))
                status = _status(result)
        except QuotaError as error:
            charges.metrics.request_refused(MetricsRoute.LSP, Refusal.QUOTA)
            status = _QUOTA
            return CompletionResult(reason=_refused(error))
        except Exception:
            status = _STATUSES[Ending.FAILED]
            raise
        finally:
            self._log(request_id, key.key_id, status, result)
        return result

    def project_changed(self, event: Event) -> None:
        """Follow what happens in the editor."""
        self._inner.project_changed(event)

    @property
    def enabled(self) -> bool:
        """Whether the settings offer completions at all."""
        return self._inner.enabled

    @property
    def config(self) -> Config:
        """The settings that hold now."""
        return self._inner.config

    def restart(self) -> None:
        """Start the engine again if it was given up."""
        self._inner.restart()

    def prompt_text(self, prompt: Prompt) -> str:
        """Spell a prompt of a result as the model read it, sentinels shown."""
        return self._inner.prompt_text(prompt)

    async def close(self) -> None:
        """End the connection's use of the engine."""
        await self._inner.close()

    def _log(
        self,
        request_id: str,
        key_id: str,
        status: int,
        result: CompletionResult | None = None,
    ) -> None:
        """Write the request's line into the access log."""
        timings = result.timings if result is not None else None
        stages = timings.stages_ms if timings else {}
        self._charges.access_log.write(
            AccessRecord(
                request_id=request_id,
                key_id=key_id,
                route=Route.LSP,
                status=status,
                prompt_tokens=timings.prompt_tokens if timings else 0,
                cached_tokens=timings.cached_tokens if timings else 0,
                output_tokens=timings.output_tokens if timings else 0,
                stages_ms={stage.value: ms for stage, ms in stages.items()},
            )
        )


def _tokens(result: CompletionResult) -> int:
    """Return the tokens that a request took."""
    timings = result.timings
    return timings.prompt_tokens + timings.output_tokens if timings else 0


def _status(result: CompletionResult) -> int:
    """Return the status that HTTP would have."""
    if result.reason in _UNAVAILABLE:
        return _NO_ENGINE
    return _STATUSES[result.reason.ending if result.reason else Ending.SHOWN]


def _refused(error: AccessError) -> Reason:
    """Return the reason of a request that was not let through."""
    return Reason(
        word="refused",
        sentence=f"The server refused the request: {error.what}. {error.remedy}.",
        of_document=True,
    )
