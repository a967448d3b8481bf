"""The measurements that parts of Midfill report, and the interface that takes them.

A process makes one `Metrics` and gives it to its parts; `NoMetrics` is for those that
run without. Nothing here holds source text, prompts, keys or file names, and every
label is of a fixed set, but for the model and the language. An implementation bounds
those two, since a client may name any.
"""

import enum
from dataclasses import dataclass
from typing import Protocol

from lsp_server.engine_values import EngineState
from lsp_server.outcomes import OverloadStep, RequestTimings, Source, StopCause
from lsp_server.values import Trigger

__all__ = [
    "Feedback",
    "FeedbackEvent",
    "Metrics",
    "NoMetrics",
    "Outcome",
    "Refusal",
    "RequestRecord",
    "Route",
]


class Route(enum.Enum):
    """Where requests come in."""

    LSP = "lsp"
    COMPLETIONS = "completions"
    INFILL = "infill"
    CHAT = "chat"
    OTHER = "other"


class Outcome(enum.Enum):
    """How a request ended, seen from the server."""

    COMPLETED = "completed"
    EMPTY = "empty"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Refusal(enum.Enum):
    """Why a request was refused before any work was done for it."""

    INVALID = "invalid"
    UNAUTHORISED = "unauthorised"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    LATE = "late"
    NOT_READY = "not-ready"


class FeedbackEvent(enum.Enum):
    """What became of a suggestion in the editor, as far as the server knows.

    ``ACCEPTED`` is the first acceptance of a suggestion, ``PARTLY_ACCEPTED`` besides
    that it took the beginning alone, and ``EXTENDED`` that more of it was taken later.
    ``KEPT`` and ``DISCARDED`` say whether most of an accepted text still stood in the
    document half a minute later, those with ``LONG`` the same after ten minutes.
    """

    SHOWN = "shown"
    ACCEPTED = "accepted"
    PARTLY_ACCEPTED = "partly-accepted"
    EXTENDED = "extended"
    KEPT = "kept"
    DISCARDED = "discarded"
    LONG_KEPT = "kept-long"
    LONG_DISCARDED = "discarded-long"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request for a completion that has ended.

    Attributes:
        request_id: Its id in the log and in the engine.
        route: Where it came in.
        model: The name of the model that was asked.
        language: The document's language id; empty where it is not known.
        outcome: How it ended.
        reason: The word of the reason why it is empty, of `service.reasons`.
        trigger: Who asked; None where the client does not say.
        timings: What it cost.
        saved_tokens: Tokens that were asked for, and not generated because the
            generation was broken off. The model might have ended by itself, so it is
            an upper bound.
        stopped: Why Midfill ended generations, and how many of those tokens that saved.
    """

    request_id: str
    route: Route
    model: str
    language: str
    outcome: Outcome
    reason: str = ""
    trigger: Trigger | None = None
    timings: RequestTimings
    saved_tokens: int = 0
    stopped: tuple[tuple[StopCause, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Something that became of a suggestion.

    Attributes:
        event: What became of it.
        model: The name of the model that wrote it.
        language: The document's language id.
        source: Where the suggestion came from.
        chars: How many of its code points it became of: those shown, accepted, or that
            still stand, blanks aside.
    """

    event: FeedbackEvent
    model: str
    language: str
    source: Source
    chars: int


class Metrics(Protocol):
    """Takes what is measured. No method raises or blocks; call them in the loop."""

    def request_done(self, record: RequestRecord) -> None:
        """Count a request that has ended, with its times and tokens."""
        ...

    def request_refused(self, route: Route, refusal: Refusal) -> None:
        """Count a request that was refused before any work was done for it."""
        ...

    def feedback(self, feedback: Feedback) -> None:
        """Count what became of a suggestion."""
        ...

    def engine_changed(self, model: str, state: EngineState) -> None:
        """Note an engine's state; a change to ``RESTARTING`` counts as a restart.

        A model counts as known from here on: others are reported under one name.
        """
        ...

    def load_changed(self, model: str, *, running: int, waiting: int) -> None:
        """Note how many generations an engine works on, and how many wait for it."""
        ...

    def overload_changed(self, model: str, step: OverloadStep) -> None:
        """Note how far an engine's load is being shed."""
        ...


class NoMetrics:
    """Takes what is measured, and forgets it."""

    def request_done(self, record: RequestRecord) -> None:
        """Ignore a request."""

    def request_refused(self, route: Route, refusal: Refusal) -> None:
        """Ignore a refusal."""

    def feedback(self, feedback: Feedback) -> None:
        """Ignore what became of a suggestion."""

    def engine_changed(self, model: str, state: EngineState) -> None:
        """Ignore a state."""

    def load_changed(self, model: str, *, running: int, waiting: int) -> None:
        """Ignore a load."""

    def overload_changed(self, model: str, step: OverloadStep) -> None:
        """Ignore a step."""
