"""The filters that every generated text passes, in their order.

A filter is a pure function of the text, the surroundings of the cursor and the scope.
It gives the text back, shorter perhaps, or None when nothing of it is worth showing.
Every line end is a line feed, in the result too: editors put in the document's own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from lsp_server.outcomes import Cut
from lsp_server.postprocess.closers import cut_surplus_closers
from lsp_server.postprocess.comment import cut_comment_before_code
from lsp_server.postprocess.overlap import cut_suffix_overlap
from lsp_server.postprocess.prefix_echo import cut_prefix_echo
from lsp_server.postprocess.repetition import drop_endless_run, drop_repetition
from lsp_server.postprocess.scope import end_with_scope, scope_end
from lsp_server.postprocess.surroundings import nearby, with_line_feeds
from lsp_server.postprocess.unfinished import cut_unfinished_line
from lsp_server.postprocess.whitespace import (
    cut_doubled_blank,
    drop_blank,
    strip_trailing_blanks,
)
from lsp_server.values import CompletionScope, FinishReason, Snapshot

__all__ = ["Outcome", "postprocess"]

Filter: TypeAlias = Callable[[str, Snapshot, CompletionScope], str | None]

_FIRST: tuple[tuple[str, Filter], ...] = (
    ("blank", drop_blank),
    ("prefix-echo", cut_prefix_echo),
    ("doubled-blank", cut_doubled_blank),
)
_BROKEN_OFF: tuple[tuple[str, Filter], ...] = (
    ("unfinished", cut_unfinished_line),
    ("repetition", drop_endless_run),
)
_REST: tuple[tuple[str, Filter], ...] = (
    ("scope", end_with_scope),
    ("comment", cut_comment_before_code),
    ("suffix-overlap", cut_suffix_overlap),
    ("closers", cut_surplus_closers),
    ("repetition", drop_repetition),
    ("trailing-blanks", strip_trailing_blanks),
    ("blank", drop_blank),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a generated text.

    Attributes:
        text: The text to insert at the cursor, with line feeds as line ends; None when
            nothing of it is worth showing.
        dropped_by: The name of the filter that left nothing; None when text is left.
        cuts: What each filter took away, in order.
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
    snapshot: Snapshot,
    scope: CompletionScope,
    *,
    finish_reason: FinishReason = FinishReason.STOP,
) -> Outcome:
    """Make a suggestion of a generated text, or none, with the reason.

    Args:
        text: All that was generated.
        snapshot: The document and the cursor; the text goes in there and replaces
            nothing.
        scope: How far the completion may run.
        finish_reason: Why the generation ended; ``STOP`` also when `StopRule` said so.
    """
    near = nearby(snapshot)
    current = with_line_feeds(text)
    cuts: list[Cut] = []
    for name, apply in _filters(current, near, scope, finish_reason):
        result = apply(current, near, scope) or ""
        if result != current:
            cuts.append(Cut(filter_name=name, before=current, after=result))
        if not result:
            blamed = cuts[-2].filter_name if name == "blank" and cuts[1:] else name
            return Outcome(text=None, dropped_by=blamed, cuts=tuple(cuts))
        current = result
    return Outcome(text=current, dropped_by=None, cuts=tuple(cuts))


def _filters(
    text: str, near: Snapshot, scope: CompletionScope, finish_reason: FinishReason
) -> Iterator[tuple[str, Filter]]:
    """Give the filters that this text passes."""
    yield from _FIRST
    is_open = scope_end(text, near, scope) is None
    if is_open and finish_reason is not FinishReason.STOP:
        yield from _BROKEN_OFF
    yield from _REST
