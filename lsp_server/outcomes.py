"""The result of a request: completions, or the reason for none, and what was cut.

Plain data like `values`. An empty answer carries a sentence for the user.
"""

import enum
from dataclasses import dataclass

from lsp_server.values import Completion, CompletionScope, Prompt, RequestTimings

__all__ = ["CompletionResult", "Cut", "Ending", "Reason"]


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
        generated: The text of each candidate as the model wrote it, best first.
        cuts: What the filters took away, candidate by candidate.
        timings: What it cost; None where nothing was generated.
    """

    completions: tuple[Completion, ...] = ()
    reason: Reason | None = None
    scope: CompletionScope | None = None
    prompt: Prompt | None = None
    generated: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()
    timings: RequestTimings | None = None
