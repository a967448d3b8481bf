"""Builds the prompt of a request: plans the budget, chooses the code, renders tokens.

Sentinels are rendered as ids and code is encoded as plain text. So a rendered prompt is
never clipped, and nothing that a file contains can act as a sentinel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urlsplit

from lsp_server.config import PromptConfig
from lsp_server.errors import ConfigError
from lsp_server.outcomes import Stage
from lsp_server.prompt.fim import FimFamily, Literal, Part, Sentinel, Slot
from lsp_server.prompt.healing import held_at
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.prompt.snippets import SnippetRenderer
from lsp_server.prompt.tokenizer import Tokenizer
from lsp_server.telemetry import RequestTrace
from lsp_server.text import count_line_ends, line_starts, with_line_feeds
from lsp_server.values import Hold, Prompt, Snapshot, Snippet, Window

__all__ = ["SNIPPET_SHARE", "Budget", "PromptBuilder", "WindowChooser", "plan_budget"]

SNIPPET_SHARE = 0.25
"""The share of the prompt for snippets of other files, all together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most tokens of each part of a prompt.

    The suffix's budget does not depend on how much prefix there is. Otherwise the
    suffix, and with it the start of an SPM prompt, would change on every key.

    Attributes:
        code_tokens: For snippets, prefix and suffix together.
        snippet_tokens: For the snippets.
        suffix_tokens: For the suffix.
    """

    code_tokens: int
    snippet_tokens: int
    suffix_tokens: int


def plan_budget(
    config: PromptConfig,
    *,
    max_model_len: int,
    max_output_tokens: int,
    frame_tokens: int,
    is_reduced: bool = False,
    is_suffix_first: bool = False,
) -> Budget:
    """Divide what the model can read next to its output and the format's own tokens.

    A reduced prompt has half of the code. A suffix that stands in front of the prefix
    keeps its budget: the engine's cache has it, up to the first token that differs.

    Args:
        config: The user's limits.
        max_model_len: The most tokens of prompt and output together.
        max_output_tokens: Tokens reserved for the output.
        frame_tokens: Tokens of the format itself: sentinels and fixed text.
        is_reduced: Whether there shall be less to read.
        is_suffix_first: Whether the format has the suffix in front of the prefix.

    Raises:
        ConfigError: Nothing is left for code.
    """
    total = min(config.max_prompt_tokens, max_model_len - max_output_tokens)
    code_tokens = total - frame_tokens
    if code_tokens < 1:
        raise ConfigError(
            f"{total} prompt tokens leave no room for code beside the format's "
            f"{frame_tokens}",
            subject="prompt.max_prompt_tokens and engine.max_model_len",
            remedy="raise them, or lower the completion's token limits",
        )
    suffix_tokens = int(code_tokens * config.suffix_share)
    if is_reduced:
        code_tokens = max(1, code_tokens // 2)
        halved = int(code_tokens * config.suffix_share)
        suffix_tokens = (
            max(halved, min(suffix_tokens, code_tokens // 2))
            if is_suffix_first
            else halved
        )
    return Budget(
        code_tokens=code_tokens,
        snippet_tokens=int(code_tokens * SNIPPET_SHARE),
        suffix_tokens=suffix_tokens,
    )


_BEGUN_STEP_TOKENS = 64
"""The prefix makes room for a begun middle in steps, so that keys do not move it."""

TokenIds = tuple[int, ...]


class WindowChooser(Protocol):
    """Chooses the code around a cursor."""

    def choose(
        self, snapshot: Snapshot, *, total_tokens: int, suffix_tokens: int
    ) -> Window:
        """Choose at most ``total_tokens``, of them ``suffix_tokens`` of suffix."""
        ...


class PromptBuilder:
    """Builds prompts for one model."""

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        family: FimFamily,
        config: PromptConfig,
        max_model_len: int,
        windows: WindowChooser,
        comment_snippets: bool = False,
        path_of: Callable[[str], str] | None = None,
    ) -> None:
        """Find the family's sentinels in the tokenizer.

        Args:
            tokenizer: The model's tokenizer.
            family: The family that the model's manifest names.
            config: The user's limits.
            max_model_len: The most tokens of prompt and output together.
            windows: Chooses the code around the cursor, with the same tokenizer.
            comment_snippets: Whether snippets stand as comments above the code where
                the family has no place for them.
            path_of: Returns a document's path in its project; None takes its name.

        Raises:
            UnsupportedModelError: Family and tokenizer do not fit together.
        """
        self._tokenizer = tokenizer
        self._resolved = resolve_family(tokenizer, family)
        self._config = config
        self._max_model_len = max_model_len
        self._windows = windows
        self._path_of = path_of or _file_name
        self._snippets = SnippetRenderer(
            family, tokenizer.encode, self._render, as_comments=comment_snippets
        )

    def build(
        self,
        snapshot: Snapshot,
        *,
        max_output_tokens: int,
        snippets: Sequence[Snippet] = (),
        is_reduced: bool = False,
        trace: RequestTrace | None = None,
    ) -> Prompt:
        """Build the prompt for the snapshot's cursor.

        Text that token healing holds (see `healing`) is not in the prompt. The
        generation begins with it, and its tokens come on top of ``max_output_tokens``.

        Args:
            snapshot: The document and the cursor.
            max_output_tokens: The most tokens of the completion.
            snippets: Pieces of other files that may be put in front.
            is_reduced: Whether there shall be half as much code, to spare the engine.
            trace: Records when the code is chosen.

        Raises:
            ConfigError: The limits leave no room for code.
        """
        family = self._resolved.family
        hold = None
        if self._config.healing:
            hold = held_at(snapshot, self._tokenizer, is_marked=family.marks_cursor)
        if hold is not None:
            snapshot = _without_held(snapshot, hold)
            max_output_tokens += len(hold.typed_ids)
        begun: TokenIds = ()
        if family.marks_cursor and self._config.anchor_lines:
            snapshot, begun = self._anchored(snapshot, max_output_tokens)
        path = self._tokenizer.encode(self._path_of(snapshot.uri))
        frame = self._render(family.order, {Slot.PATH: path})
        budget = plan_budget(
            self._config,
            max_model_len=self._max_model_len,
            max_output_tokens=max_output_tokens,
            frame_tokens=len(frame) + _stepped(len(begun)),
            is_reduced=is_reduced,
            is_suffix_first=family.is_suffix_first,
        )
        shown = self._snippets.best(
            snippets,
            language_id=snapshot.language_id,
            path=path,
            max_tokens=budget.snippet_tokens,
        )
        window = self._windows.choose(
            snapshot,
            total_tokens=budget.code_tokens - len(shown.ids),
            suffix_tokens=budget.suffix_tokens,
        )
        if trace is not None:
            trace.end(Stage.CONTEXT)
        filling = {
            Slot.PATH: path,
            Slot.SNIPPETS: () if shown.is_code else shown.ids,
            Slot.PREFIX: (*(shown.ids if shown.is_code else ()), *window.prefix_ids),
            Slot.SUFFIX: window.suffix_ids,
        }
        return Prompt(
            token_ids=(*self._render(family.order, filling), *begun),
            stop_token_ids=self._resolved.stop_token_ids,
            hold=hold,
            snippets=shown.snippets,
        )

    def _anchored(
        self, snapshot: Snapshot, max_output_tokens: int
    ) -> tuple[Snapshot, TokenIds]:
        """Return the snapshot as if its last lines were not typed, and their tokens.

        What would take more than a quarter of the prompt is left as it is.
        """
        text, offset = snapshot.text, snapshot.offset
        room = self._max_model_len - max_output_tokens
        most_tokens = min(self._config.max_prompt_tokens, room) // 4
        begin = max(0, offset - max(0, most_tokens) * 4)
        starts = line_starts(text, begin, offset)
        first = count_line_ends(text, begin) + 1
        steps = [
            at
            for number, at in enumerate(starts, first)
            if number % self._config.anchor_lines == 0
        ]
        if not steps:
            return snapshot, ()
        anchor = steps[-1]
        begun = self._tokenizer.encode(with_line_feeds(text[anchor:offset]))
        if _stepped(len(begun)) > most_tokens:
            return snapshot, ()
        shortened = text[:anchor] + text[offset:]
        return replace(snapshot, text=shortened, offset=anchor), begun

    def _render(
        self, parts: Sequence[Part], filling: Mapping[Slot, TokenIds]
    ) -> TokenIds:
        """Return the tokens of the parts; a slot without a filling has none."""
        ids: list[int] = []
        for part in parts:
            match part:
                case Sentinel(token=token):
                    ids.append(self._resolved.sentinel_ids[token])
                case Literal(text=text):
                    ids.extend(self._tokenizer.encode(text))
                case Slot():
                    ids.extend(filling.get(part, ()))
        return tuple(ids)


def _stepped(begun_tokens: int) -> int:
    """Return the room that is kept for a begun middle, in whole steps."""
    return -(-begun_tokens // _BEGUN_STEP_TOKENS) * _BEGUN_STEP_TOKENS


def _without_held(snapshot: Snapshot, hold: Hold) -> Snapshot:
    """Return the snapshot without the held text left of its cursor."""
    offset = snapshot.offset - len(hold.text)
    text = snapshot.text[:offset] + snapshot.after
    return replace(snapshot, text=text, offset=offset)


def _file_name(uri: str) -> str:
    """Return the last part of a URI's path; of what is no valid URI, that of it all."""
    try:
        path = urlsplit(uri).path
    except ValueError:  # for example brackets that hold no IPv6 address
        path = uri
    return PurePosixPath(unquote(path)).name
