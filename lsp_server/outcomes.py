"""The result of a request: completions, or the reason for none, and what was cut.

Plain data like `values`. An empty answer carries a sentence for the user.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from lsp_server.values import CompletionScope, Prompt

__all__ = [
    "Completion",
    "CompletionResult",
    "Cut",
    "Ending",
    "OverloadStep",
    "Reason",
    "RequestTimings",
    "Source",
    "Stage",
    "StopCause",
]


class Stage(enum.Enum):
    """The stages of a request, in their order; together they take its whole time.

    ``WAIT``: until it is begun, in the event loop. ``DEBOUNCE``: while a next key was
    likely to come before the answer. ``CONTEXT``: choosing the code that
    the model reads, as tokens. ``PROMPT``: rendering it. ``QUEUE``: until the engine
    schedules it. ``PREFILL``: until the first token has come back. ``DECODE``: all
    further tokens. ``FILTERS``: post-processing.
    """

    WAIT = "wait"
    DEBOUNCE = "debounce"
    CONTEXT = "context"
    PROMPT = "prompt"
    QUEUE = "queue"
    PREFILL = "prefill"
    DECODE = "decode"
    FILTERS = "filters"


class Source(enum.Enum):
    """Where the answer to a request comes from.

    ``ENGINE``: it was generated for the request. ``CACHE``: for an earlier one, whose
    suggestion holds here too. ``JOIN``: the same, and it was still being generated.
    ``SPECULATION``: before anybody asked, for what comes after an accepted suggestion.
    """

    ENGINE = "engine"
    CACHE = "cache"
    JOIN = "join"
    SPECULATION = "speculation"


class StopCause(enum.Enum):
    """Why Midfill ended a generation before the model did.

    ``LINE``: the line is complete. ``BLOCK``: its block is. ``BLANK_LINES``: blank
    lines follow. ``SUFFIX``: the code behind the cursor begins. ``CLOSER``: what comes
    next closes what is closed behind the cursor. ``REPETITION``: the text repeats
    itself. ``DEFINITION``: another definition begins. ``FENCE``: a Markdown fence ends
    the code. ``UNSURE``: the model is not sure enough of what follows.
    """

    LINE = "line"
    BLOCK = "block"
    BLANK_LINES = "blank-lines"
    SUFFIX = "suffix"
    CLOSER = "closer"
    REPETITION = "repetition"
    DEFINITION = "definition"
    FENCE = "fence"
    UNSURE = "unsure"


class OverloadStep(enum.IntEnum):
    """How far an engine's load is being shed; each step includes those before it."""

    NORMAL = 0
    NO_SPECULATION = 1
    ONE_CANDIDATE = 2
    LESS_CONTEXT = 3
    SLOW_DOWN = 4
    REJECT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTimings:
    """What one completion cost.

    Attributes:
        ttft_ms: Time to first token, from the request's arrival, in milliseconds;
            None when no token came.
        total_ms: Time from arrival to the finished completion, in milliseconds.
        prompt_tokens: Tokens in the prompt.
        cached_tokens: Prompt tokens found in the engine's prefix cache.
        output_tokens: Tokens generated, those cut away later included.
        stages_ms: How long each stage took, in milliseconds; those that the request
            did not come to are left out.
        source: Where the answer comes from; without the engine it has no prompt.
    """

    ttft_ms: float | None
    total_ms: float
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    stages_ms: Mapping[Stage, float] = field(default_factory=dict)
    source: Source = Source.ENGINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A finished suggestion.

    Attributes:
        completion_id: The request id, the same in logs and in the protocol.
        text: The text to insert, with line feeds as line ends.
        start: Where it goes in the snapshot, in code points.
        end: Up to where it replaces the snapshot's text, in code points.
        timings: What it cost.
    """

    completion_id: str
    text: str
    start: int
    end: int
    timings: RequestTimings


class Ending(enum.Enum):
    """How a request ended, seen from the editor."""

    SHOWN = "shown"
    EMPTY = "empty"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a request has no completion.

    Attributes:
        word: Its name in the log.
        sentence: A sentence for the user.
        of_document: Whether it holds in the whole document, not at this cursor alone.
        ending: How the request ended.
    """

    word: str
    sentence: str
    of_document: bool = False
    ending: Ending = Ending.EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What one filter did to a generated text.

    Attributes:
        filter_name: The filter.
        before: The text that it was given.
        after: The text that it left; empty when it dropped the text.
    """

    filter_name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionResult:
    """The result of one request.

    Attributes:
        completions: The suggestions, best first.
        reason: Why there are none; None where there are some.
        scope: How far they might run; None where nothing was generated.
        prompt: What the model read; None where nothing was generated.
        generated: What the model wrote, candidate by candidate.
        cuts: What the filters took away, candidate by candidate.
        timings: What it cost; None where nothing was generated.
        model: The name of the model that was asked; empty where none was.
        in_time: Whether the generation came to its end before the deadline.
    """

    completions: tuple[Completion, ...] = ()
    reason: Reason | None = None
    scope: CompletionScope | None = None
    prompt: Prompt | None = None
    generated: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()
    timings: RequestTimings | None = None
    model: str = ""
    in_time: bool = True
