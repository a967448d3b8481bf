"""What is recorded of requests and suggestions: ids, counts and times.

Text stands in `TracedText` alone, which is made only where a setting asks for it. A
document is named by its suffix; snippets of other files by their path in the workspace.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = [
    "OWN_CLIENT",
    "CutCount",
    "RequestEvent",
    "SnippetUse",
    "SuggestionEvent",
    "TracedText",
]

OWN_CLIENT = "midfill headless client"
"""The client of ``midfill complete``, which accepts nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutCount:
    """What one filter took of a generated text.

    Attributes:
        filter_name: The filter.
        before_chars: The length of the text that it was given.
        after_chars: The length of what it left.
    """

    filter_name: str
    before_chars: int
    after_chars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnippetUse:
    """A snippet of another file that stood in a prompt.

    Attributes:
        path: The file's path in its workspace.
        source: The name of the provider that found it.
        chars: Its length.
    """

    path: str
    source: str
    chars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedText:
    """The text of a request, for users who ask for it to be kept.

    Attributes:
        prompt: What the model read, sentinels shown.
        generated: What it wrote, candidate by candidate.
        cuts: What each filter was given, and what it left.
        shown: What was shown.
        snippets: The text of each snippet.
    """

    prompt: str
    generated: tuple[str, ...]
    cuts: tuple[tuple[str, str], ...]
    shown: tuple[str, ...]
    snippets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent:
    """A request that was answered, and why nothing was shown where nothing was.

    Attributes:
        at: When it ended.
        id: Its id, as in the log.
        editor: The client's name.
        language: The document's language id.
        suffix: The suffix of the document's name.
        line: The cursor's line, from 0.
        character: The cursor's column, as the client counts, from 0.
        trigger: Who asked.
        scope: How far the completion might run; empty where none was generated.
        model: The model that was asked; empty where none was.
        source: Where the answer comes from; empty where nothing was generated.
        outcome: How the request ended.
        reason: The word of the reason why nothing was shown; empty where something was.
        sentence: The reason as a sentence.
        prompt_tokens: Tokens in the prompt.
        cached_tokens: Those of them that the engine's prefix cache held.
        output_tokens: Tokens generated.
        ttft_ms: Time to first token; None where no token came.
        total_ms: Time from arrival to answer; None where nothing was generated.
        stages_ms: How long each stage took.
        generated_chars: The length of each candidate as the model wrote it.
        shown_chars: The length of each suggestion.
        cuts: What the filters took.
        snippets: The snippets in the prompt.
        settings: The settings that are not at their default, by section and key.
        text: The text of all this; None unless a setting asks for it.
    """

    at: datetime
    id: str
    editor: str
    language: str
    suffix: str
    line: int
    character: int
    trigger: str
    scope: str
    model: str
    source: str
    outcome: str
    reason: str
    sentence: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    ttft_ms: float | None = None
    total_ms: float | None = None
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    generated_chars: tuple[int, ...] = ()
    shown_chars: tuple[int, ...] = ()
    cuts: tuple[CutCount, ...] = ()
    snippets: tuple[SnippetUse, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    text: TracedText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionEvent:
    """Something that became of a suggestion.

    Attributes:
        at: When it was seen.
        id: The suggestion's id, which is or begins with that of its request.
        editor: The client's name.
        language: The document's language id.
        model: The model that wrote it.
        source: Where it came from.
        event: What became of it, a value of `metrics.FeedbackEvent`.
        chars: How many of its characters this is about.
        of_chars: How many they could have been.
    """

    at: datetime
    id: str
    editor: str
    language: str
    model: str
    source: str
    event: str
    chars: int
    of_chars: int
