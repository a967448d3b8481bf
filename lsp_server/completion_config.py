"""The settings of a completion: when there is one, its length, what it is made of."""

import enum
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictBool, StrictStr

from lsp_server.process_config import Count, Positive
from lsp_server.values import CompletionScope

__all__ = ["CompletionConfig", "ContextConfig", "Eagerness"]


class Eagerness(enum.Enum):
    """How much is shown of what the model is not sure of.

    ``low`` shows few suggestions and hardly a wrong one, ``high`` many with more wrong
    ones among them, ``always`` all that the model writes.
    """

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionConfig:
    """What a completion may be.

    Attributes:
        enabled: Whether completions are offered at all.
        disabled_languages: Language ids in which none are offered, separated by
            spaces.
        cache: Whether a suggestion that is typed, or returned to, is offered again
            instead of being generated anew.
        speculation: Whether the completion after an accepted one is generated before
            it is asked for; for that, ``cache`` must be on.
        prewarm: Whether the engine, where it has nothing to do, reads the prompt for a
            cursor that rests at another place, so that the first key finds it read.
        candidates: Most different completions of an explicit request; one that comes
            by itself has one.
        eagerness: How sure the model has to be of what is shown without being asked
            for; a text ends where it is not.
        max_line_tokens: Most tokens of a completion that ends with its line.
        max_block_tokens: Most tokens of a completion that ends with its block.
        temperature: 0 is greedy.
        deadline_ms: A completion that is not ready by then is cut at what is there;
            0 waits without end.
        continue_into_blocks: Whether a completion that opens a block at the end of its
            line goes on to the block's end.
        suggest_after_accept: Whether a suggestion comes by itself right after one was
            accepted, not with the next key only.
        max_debounce_ms: The longest that an automatic request waits, in milliseconds,
            where others use the engine and a next key would come before its answer; 0
            never waits.
        max_document_chars: Documents of more code points get no completions.
        max_line_chars: A cursor in a longer line, in code points, gets none.
    """

    enabled: StrictBool = True
    disabled_languages: StrictStr = ""
    cache: StrictBool = True
    speculation: StrictBool = False
    prewarm: StrictBool = True
    candidates: Annotated[int, Field(strict=True, ge=1, le=10)] = 3
    eagerness: Eagerness = Eagerness.NORMAL
    max_line_tokens: Positive = 48
    max_block_tokens: Positive = 128
    temperature: Annotated[float, Field(strict=True, ge=0, le=2)] = 0.0
    deadline_ms: Count = 10_000
    continue_into_blocks: StrictBool = True
    suggest_after_accept: StrictBool = False
    max_debounce_ms: Count = 150
    max_document_chars: Positive = 10_000_000
    max_line_chars: Positive = 100_000

    def max_tokens(self, scope: CompletionScope) -> int:
        """Return the most tokens of a completion of this scope."""
        if scope is CompletionScope.BLOCK:
            return self.max_block_tokens
        if scope is CompletionScope.LINE:
            return self.max_line_tokens
        return max(self.max_line_tokens, self.max_block_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextConfig:
    """Which snippets of the project a prompt holds beside the document.

    Attributes:
        enabled: Whether prompts hold snippets of other files at all; off by default
            with a model whose manifest says so, as the shipped one's does.
        disabled_languages: Language ids of documents whose prompts hold none, separated
            by spaces; ``open_tabs:markdown`` leaves out the snippets of one source.
        open_tabs: Whether snippets come from the other documents that the editor has
            open.
        recent_edits: Whether they come from what was edited last in other documents.
        diagnostics: Whether the errors and warnings of the document are one, where the
            editor sends them.
        index: Whether they come from the other files of the workspace folders, which
            are indexed for that in the user's cache folder.
        definitions: Whether they say how the names near the cursor are declared: where
            the document's imports lead, and where the index knows a name.
        index_max_files: Most files of a workspace folder that are indexed.
        index_max_file_bytes: Larger files are not indexed, and no context.
        index_max_bytes: Most that the index of a workspace folder takes on disk.
    """

    enabled: StrictBool = True
    disabled_languages: StrictStr = ""
    open_tabs: StrictBool = True
    recent_edits: StrictBool = True
    diagnostics: StrictBool = True
    index: StrictBool = True
    definitions: StrictBool = True
    index_max_files: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 100_000
    index_max_file_bytes: Annotated[int, Field(strict=True, ge=1024, le=1 << 24)] = (
        1 << 18
    )
    index_max_bytes: Annotated[int, Field(strict=True, ge=1 << 20, le=1 << 40)] = (
        1 << 30
    )
