"""The frozen values that pass between Midfill's layers: plain data in editor terms.

Nothing in this module knows LSP, JSON, vLLM or any tokenizer.
"""

import enum
from dataclasses import dataclass

__all__ = [
    "CompletionScope",
    "FinishReason",
    "GenerationRequest",
    "Hold",
    "HoldStep",
    "Priority",
    "Prompt",
    "Snapshot",
    "Snippet",
    "TokenDelta",
    "Trigger",
    "Window",
]


class Trigger(enum.Enum):
    """Who asked for a completion."""

    INVOKED = "invoked"
    AUTOMATIC = "automatic"


class Priority(enum.IntEnum):
    """How urgent a generation is; the smaller value is scheduled first."""

    EXPLICIT = 0
    AUTOMATIC = 1
    SPECULATIVE = 2
    PREWARM = 3


class CompletionScope(enum.Enum):
    """How far a completion may run.

    ``LINE``: to the end of the cursor's line. ``STATEMENT``: so far, or to the end of
    the block that this line opens. ``BLOCK``: to the end of a block that may begin on
    the next line.
    """

    LINE = "line"
    STATEMENT = "statement"
    BLOCK = "block"


class FinishReason(enum.Enum):
    """Why the engine stopped a generation."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A document as it was at the moment of a request.

    Attributes:
        uri: The document's URI, as the editor named it.
        language_id: The editor's language id, ``python`` for example.
        version: The document version that the editor counted.
        text: The whole text; line ends as they stand in the editor.
        offset: The cursor, in code points from the start of ``text``.
    """

    uri: str
    language_id: str
    version: int
    text: str
    offset: int

    @property
    def before(self) -> str:
        """The text left of the cursor."""
        return self.text[: self.offset]

    @property
    def after(self) -> str:
        """The text right of the cursor."""
        return self.text[self.offset :]

    @property
    def line_before(self) -> str:
        """The part of the cursor's line left of the cursor."""
        text, end = self.text, self.offset
        return text[max(text.rfind("\n", 0, end), text.rfind("\r", 0, end)) + 1 : end]

    @property
    def line_after(self) -> str:
        """The part of the cursor's line right of the cursor, without its line end."""
        after = self.after
        ends = [at for at in (after.find("\n"), after.find("\r")) if at >= 0]
        return after[: min(ends)] if ends else after


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The prefix and suffix that were chosen around the cursor, already as tokens."""

    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A part of another file, offered as context.

    Attributes:
        path: The file's path relative to the project, with forward slashes.
        text: The text.
        score: How relevant it is; higher is better.
        uri: The file's URI; empty where it has none.
        source: The name of the provider that found it.
        is_lasting: Whether it may stay in prompts when it is not found any more.
    """

    path: str
    text: str
    score: float
    uri: str = ""
    source: str = ""
    is_lasting: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldStep:
    """The tokens that a generation may continue with, before a `Hold` is spelt.

    Attributes:
        finishing: Tokens that spell the rest of the text, and perhaps more, a bit each:
            token 0 is the lowest bit of the first byte.
        going_on: Tokens that spell a part of the rest, each with the step to go to.
    """

    finishing: bytes
    going_on: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A text that a generation must begin with: it was typed, but is not in the prompt.

    Attributes:
        text: The text.
        typed_ids: Its tokens when it is encoded by itself.
        steps: The tokens allowed at each step; a generation starts at the first.
    """

    text: str
    typed_ids: tuple[int, ...]
    steps: tuple[HoldStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A rendered prompt: what the engine reads.

    Attributes:
        token_ids: The whole prompt, sentinel tokens included.
        stop_token_ids: Tokens that end a completion of this model family.
        hold: What the generation must begin with; None where that is free.
        snippets: The parts of other files in it.
    """

    token_ids: tuple[int, ...]
    stop_token_ids: tuple[int, ...]
    hold: Hold | None = None
    snippets: tuple[Snippet, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """A request to an engine to generate text.

    Attributes:
        request_id: Unique among the requests in flight.
        token_ids: The prompt.
        max_tokens: The most tokens to generate.
        stop_token_ids: Tokens that end the generation, and are not part of the output.
        temperature: 0 is greedy.
        top_p: Only the likeliest tokens that make up this share are drawn from.
        candidate: 0 for the first answer to a prompt; the sampler's seed.
        logprobs: Whether each token comes with its log-probability.
        hold: What the output must begin with.
        user: Whose request it is, for fairness between users; any stable name.
        priority: How urgent it is.
        deadline_s: When it is too late to schedule it, by the event loop's clock.
        cache_salt: Only requests of the same salt share the engine's prefix cache.
        document: What the prompt was made of, such as a URI; an engine of several
            machines keeps each one's prefix cache on one of them. Empty if unknown.
    """

    request_id: str
    token_ids: tuple[int, ...]
    max_tokens: int
    stop_token_ids: tuple[int, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    candidate: int = 0
    logprobs: bool = False
    hold: Hold | None = None
    user: str = ""
    priority: Priority = Priority.AUTOMATIC
    deadline_s: float | None = None
    cache_salt: str = ""
    document: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDelta:
    """What an engine generated since the previous delta.

    Attributes:
        token_ids: The new tokens, without stop tokens; may be empty at the end.
        logprobs: Each one's log-probability among those allowed; empty unless asked.
        num_cached_tokens: Prompt tokens that the engine's prefix cache held.
        queued_ms: How long it waited to be scheduled; None after the first token.
        finish_reason: Why it ended; None while it goes on.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...] = ()
    num_cached_tokens: int = 0
    queued_ms: float | None = None
    finish_reason: FinishReason | None = None
