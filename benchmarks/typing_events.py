"""What passes between a replay and a source of ghosts, and what is noted of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.typing_traces import Trace

__all__ = ["Event", "Ghost", "GhostSource", "Kind", "Played", "Spent"]

Kind = str
"""``key``, ``enter``, ``jump`` (with what is deleted there), ``accept``, or ``slip``: a
wrong key, or one that takes it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """An answer.

    Attributes:
        text: What would be inserted at the cursor; empty for nothing.
        reason: Why nothing is; None where nobody said.
        item: What the source needs to know which suggestion was accepted.
    """

    text: str
    reason: str | None = None
    item: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one request cost the engine.

    Attributes:
        asked_s: When the engine was asked, on the system's monotonic clock.
        prompt_tokens: Of the prompt.
        cached_tokens: Those of them that the engine's prefix cache held; None where
            the request ended before that was known.
        output_tokens: Tokens that were generated.
        is_ahead: Whether nobody had asked yet: pre-warming and speculation.
    """

    asked_s: float
    prompt_tokens: int
    cached_tokens: int | None
    output_tokens: int
    is_ahead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened at one key, jump or accept.

    Attributes:
        kind: What it was.
        at_s: When, on the system's monotonic clock.
        keys: How many keys it took.
        wait_ms: Until the answer was read; None if the next key came first.
        ghost_chars: The length of the ghost; 0 where there was none.
        is_first_word_right: Whether the ghost began with the word that will be typed;
            None where there was no ghost, or a wrong key stands in the text.
        right_chars: How much of the ghost, from its beginning, will be typed.
        accepted_chars: Of an accept, how much it inserted.
        reason: Why an answer was empty; empty where the source did not say.
    """

    kind: Kind
    at_s: float
    keys: int
    wait_ms: float | None
    ghost_chars: int = 0
    is_first_word_right: bool | None = None
    right_chars: int = 0
    accepted_chars: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A trace that was replayed.

    Attributes:
        trace: The trace.
        events: What happened.
        spent: What the engine was asked.
        text: The text at the end.
    """

    trace: Trace
    events: tuple[Event, ...]
    spent: tuple[Spent, ...]
    text: str


class GhostSource(Protocol):
    """Where ghosts come from: a server and its editor."""

    def open(self, uri: str, language_id: str, text: str) -> None:
        """Open a document."""
        ...

    def edit(self, uri: str, start: int, end: int, text: str) -> None:
        """Replace what stands between two offsets, in code points."""
        ...

    def rest(self, uri: str, offset: int) -> None:
        """Report that the cursor rests at another place, before anything is asked."""
        ...

    def ask(self, uri: str, offset: int) -> asyncio.Task[Ghost]:
        """Ask for a ghost; the task is cancelled when the request is superseded."""
        ...

    def accept(self, ghost: Ghost, chars: int) -> None:
        """Report how many characters of a ghost were accepted, after the edit."""
        ...

    async def why_nothing(self) -> str:
        """Return the reason why the last answer was empty; empty without one."""
        ...

    def close(self, uri: str) -> None:
        """Close a document."""
        ...

    async def spent(self) -> Sequence[Spent]:
        """Return what the engine was asked since the last call."""
        ...
