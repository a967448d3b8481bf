"""Post-processes the candidates of a request and ranks what is left of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lsp_server.context.cursor import CursorContext
from lsp_server.outcomes import Cut, Reason
from lsp_server.postprocess.pipeline import Outcome, postprocess
from lsp_server.service import reasons
from lsp_server.service.candidates import Candidate
from lsp_server.values import CompletionScope, FinishReason

__all__ = ["best_first", "postprocessed", "why_nothing"]

_UNSURE = "confidence"
"""The name of the cut where the model is not sure, among those of the filters."""


def postprocessed(
    candidates: Sequence[Candidate], cursor: CursorContext, scope: CompletionScope
) -> dict[Candidate, Outcome]:
    """Post-process the candidates that are complete.

    The first one is also used as far as it had come at the deadline.
    """
    first = candidates[0]
    return {
        each: _postprocessed(each, cursor, scope)
        for each in candidates
        if each.is_whole or (each is first and not each.is_superseded)
    }


def _postprocessed(
    candidate: Candidate, cursor: CursorContext, scope: CompletionScope
) -> Outcome:
    """Cut a candidate where the model is not sure, and post-process what is left."""
    text = candidate.sure_text
    cuts: tuple[Cut, ...] = ()
    if text != candidate.text:
        text = text if text.strip() else ""
        cuts = (Cut(filter_name=_UNSURE, before=candidate.text, after=text),)
        if not text:
            return Outcome(text=None, dropped_by=_UNSURE, cuts=cuts)
    outcome = postprocess(
        text,
        cursor,
        scope,
        finish_reason=candidate.finish_reason or FinishReason.LENGTH,
    )
    return replace(outcome, cuts=cuts + outcome.cuts)


def best_first(outcomes: Mapping[Candidate, Outcome]) -> list[tuple[Candidate, str]]:
    """Return each different text once, the most frequent first.

    The text of the first candidate, which was not sampled, always stays the first.
    """
    counts: Counter[str] = Counter()
    first_with: dict[str, Candidate] = {}
    for candidate, outcome in outcomes.items():
        if outcome.text is not None:
            counts[outcome.text] += 1
            first_with.setdefault(outcome.text, candidate)
    return sorted(
        ((candidate, text) for text, candidate in first_with.items()),
        key=lambda found: (found[0].request.candidate > 0, -counts[found[1]]),
    )


def why_nothing(first: Candidate, outcome: Outcome | None) -> Reason:
    """Return why no completion came of the first candidate."""
    if outcome is None or outcome.dropped_by is None:
        return reasons.SUPERSEDED
    if first.finish_reason is None:
        return reasons.DEADLINE
    if not first.keeps_hold or (first.written and not first.is_whole):
        return reasons.WORD_NOT_CONTINUED
    if not first.text:
        return reasons.ENDED_AT_ONCE
    if outcome.dropped_by == _UNSURE:
        return reasons.NOT_SURE
    return reasons.dropped_by(outcome.dropped_by)
