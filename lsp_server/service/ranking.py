"""Post-processes the candidates of a request and ranks what is left of them."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lsp_server.context.cursor import CursorContext
from lsp_server.language.syntax import syntax_errors
from lsp_server.outcomes import CompletionResult, Cut, Reason
from lsp_server.postprocess.pipeline import Outcome, postprocess
from lsp_server.service import reasons
from lsp_server.service.candidates import Candidate
from lsp_server.values import CompletionScope, FinishReason, Snapshot

__all__ = ["best_first", "is_shown", "postprocessed", "whole_candidates", "why_nothing"]

_UNSURE_CUT = "confidence"
"""The name of the cut where the model is not sure, among those of the filters."""

_ERROR_COST = math.log(2)
"""Measured in ``benchmarks/calibration.py``: counting errors first is worse, because a
text may well be right that leaves the rest of a block to be written."""

_PARSE_LIMIT_S = 0.25
"""How long an answer to somebody who asks by hand waits for its ranking at most. It is
the first use of a grammar that takes long, 0.1 s."""


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


def is_shown(
    candidate: Candidate, cursor: CursorContext, scope: CompletionScope
) -> bool:
    """Return whether a candidate is complete, and the filters leave something of it."""
    if not candidate.is_whole:
        return False
    return _postprocessed(candidate, cursor, scope).text is not None


def _postprocessed(
    candidate: Candidate, cursor: CursorContext, scope: CompletionScope
) -> Outcome:
    """Cut a candidate where the model is not sure, and post-process what is left."""
    text = candidate.sure_text
    cuts: tuple[Cut, ...] = ()
    if text != candidate.text:
        text = text if _saves_keys(text) else ""
        cuts = (Cut(filter_name=_UNSURE_CUT, before=candidate.text, after=text),)
        if not text:
            return Outcome(text=None, dropped_by=_UNSURE_CUT, cuts=cuts)
    outcome = postprocess(
        text,
        cursor,
        scope,
        finish_reason=candidate.finish_reason or FinishReason.LENGTH,
    )
    return replace(outcome, cuts=cuts + outcome.cuts)


def _saves_keys(text: str) -> bool:
    """Return whether to accept a text takes fewer keys than to type it."""
    solid = text.strip()
    return len(solid) > 1 or not solid.isascii()


async def best_first(
    outcomes: Mapping[Candidate, Outcome], snapshot: Snapshot
) -> list[tuple[Candidate, str]]:
    """Return each different text once, with the best first.

    The best is the likeliest, by the joint probability of the text, whatever its
    length. For each syntax error that it leaves in the document it counts half.
    """
    first_with: dict[str, tuple[Candidate, str]] = {}
    for candidate, outcome in outcomes.items():
        if outcome.text is not None:
            first_with.setdefault(outcome.text.strip(), (candidate, outcome.text))
    found = list(first_with.values())
    errors = await _errors([text for _, text in found], snapshot)
    ranks = [
        count * _ERROR_COST - candidate.likelihood(text).logprob
        for count, (candidate, text) in zip(errors, found, strict=True)
    ]
    return [found[at] for at in sorted(range(len(found)), key=ranks.__getitem__)]


async def _errors(texts: Sequence[str], snapshot: Snapshot) -> Sequence[int]:
    """Return how many syntax errors each text leaves; no errors where it is unknown."""
    unknown = [0] * len(texts)
    if not texts[1:]:
        return unknown
    try:
        async with asyncio.timeout(_PARSE_LIMIT_S):
            found = await asyncio.to_thread(
                syntax_errors,
                snapshot.text,
                snapshot.offset,
                texts,
                snapshot.language_id,
                limit_s=_PARSE_LIMIT_S,
            )
    except TimeoutError:
        return unknown
    return found or unknown


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
    if outcome.dropped_by == _UNSURE_CUT:
        return reasons.NOT_SURE
    return reasons.dropped_by(outcome.dropped_by)


def whole_candidates(result: CompletionResult) -> int:
    """Count the candidates of a result that somebody who asks by hand may get.

    One that was ended because the model was not sure of it is none.
    """
    if any(cut.filter_name == _UNSURE_CUT for cut in result.cuts):
        return 0
    return len(result.generated)
