"""The filters that turn a generated text into a suggestion, in their order.

A filter is a pure function of the text, the cursor and the scope. It returns the text,
perhaps shorter or indented in another way, or None when none of it is worth showing.
Every line end is a line feed, in the result too: editors put in the document's own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from lsp_server.context.cursor import CursorContext
from lsp_server.outcomes import Cut
from lsp_server.postprocess.brackets import cut_at_next_closer, cut_surplus_closers
from lsp_server.postprocess.indentation import fit_first_line, fit_indentation
from lsp_server.postprocess.notice import cut_notice
from lsp_server.postprocess.overlap import cut_suffix_overlap
from lsp_server.postprocess.repetition import drop_endless_run, drop_repetition
from lsp_server.postprocess.scope import decided_scope, end_with_scope, scope_end
from lsp_server.postprocess.trim import (
    cut_comment_before_code,
    cut_doubled_blank,
    cut_fence,
    cut_prefix_echo,
    cut_unfinished_line,
    drop_blank,
    drop_lone_operator,
    strip_trailing_blanks,
)
from lsp_server.text import with_line_feeds
from lsp_server.values import CompletionScope, FinishReason

__all__ = ["Filter", "Outcome", "postprocess"]

Filter: TypeAlias = Callable[[str, CursorContext, CompletionScope], str | None]

_FIRST: tuple[tuple[str, Filter], ...] = (
    ("blank", drop_blank),
    ("prefix-echo", cut_prefix_echo),
    ("doubled-blank", cut_doubled_blank),
    ("indentation", fit_first_line),
)
_BROKEN_OFF: tuple[tuple[str, Filter], ...] = (
    ("unfinished", cut_unfinished_line),
    ("repetition", drop_endless_run),
)
"""For texts whose generation was ended by a limit, not by the model."""

_LAST: tuple[tuple[str, Filter], ...] = (
    # What the stop rule goes by, first: so it does not matter where that has ended it.
    ("scope", end_with_scope),
    ("closers", cut_at_next_closer),
    ("fence", cut_fence),
    ("notice", cut_notice),
    ("comment", cut_comment_before_code),
    ("suffix-overlap", cut_suffix_overlap),
    ("closers", cut_surplus_closers),
    ("indentation", fit_indentation),
    # What leaves the block shows itself in the document's columns.
    ("scope", end_with_scope),
    ("repetition", drop_repetition),
    ("operator", drop_lone_operator),
    ("trailing-blanks", strip_trailing_blanks),
    ("blank", drop_blank),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the filters left of a generated text.

    Attributes:
        text: The text to insert at the cursor, with line feeds as line ends; None when
            none of it is worth showing.
        dropped_by: The name of the filter that left nothing; None when text is left.
        cuts: What each filter cut, in order.
    """

    text: str | None
    dropped_by: str | None
    cuts: tuple[Cut, ...]

    @property
    def changed_by(self) -> tuple[str, ...]:
        """The names of the filters that shortened the text and left some, in order."""
        return tuple(cut.filter_name for cut in self.cuts if cut.after)


def postprocess(
    text: str,
    cursor: CursorContext,
    scope: CompletionScope,
    *,
    finish_reason: FinishReason = FinishReason.STOP,
) -> Outcome:
    """Apply the filters to a generated text.

    Args:
        text: All that was generated.
        cursor: Where the text would be inserted; it replaces nothing.
        scope: How far the completion may run.
        finish_reason: Why the generation ended; ``STOP`` also when a `StopRule` ended
            it.
    """
    current = with_line_feeds(text)
    decided = decided_scope(current, cursor, scope)
    cuts: list[Cut] = []
    for name, apply in _filters(current, cursor, scope, finish_reason):
        # The scope's own filter decides by the text; the others get what it was.
        known = scope if name == "scope" else decided
        result = apply(current, cursor, known) or ""
        if result != current:
            cuts.append(Cut(filter_name=name, before=current, after=result))
        if not result:
            # Blanks alone are left by the filter that cut all else.
            blanked = (cut.filter_name for cut in cuts if not cut.after.strip())
            culprit = next(blanked, name)
            return Outcome(text=None, dropped_by=culprit, cuts=tuple(cuts))
        current = result
    return Outcome(text=current, dropped_by=None, cuts=tuple(cuts))


def _filters(
    text: str,
    cursor: CursorContext,
    scope: CompletionScope,
    finish_reason: FinishReason,
) -> Iterator[tuple[str, Filter]]:
    """Yield the filters for this text, with their names."""
    yield from _FIRST
    is_open = scope_end(text, cursor, scope) is None
    if is_open and finish_reason is not FinishReason.STOP:
        yield from _BROKEN_OFF
    yield from _LAST
