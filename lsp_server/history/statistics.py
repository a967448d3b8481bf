"""Sums up the record of requests and suggestions, in all and by group."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lsp_server.history.events import RequestEvent, SuggestionEvent
from lsp_server.metrics import FeedbackEvent
from lsp_server.outcomes import Ending, Stage

__all__ = ["DIMENSIONS", "Percentiles", "Statistics", "Summary", "statistics_of"]

DIMENSIONS = ("language", "model", "source")

_STAGES = tuple(stage.value for stage in Stage)
_SOON = {FeedbackEvent.KEPT.value, FeedbackEvent.DISCARDED.value}
_LONG = {FeedbackEvent.LONG_KEPT.value, FeedbackEvent.LONG_DISCARDED.value}
_TAKEN = {FeedbackEvent.ACCEPTED.value, FeedbackEvent.EXTENDED.value}
_MOST_REASONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """What 50, 90 and 99 of a hundred times did not exceed, in milliseconds."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a group's suggestions, and how long its answers took.

    Attributes:
        shown: Answers with a suggestion.
        accepted: Suggestions of which something was taken.
        partly_accepted: Those of them of which the beginning alone was taken at first.
        saved_chars: Characters that were taken instead of typed.
        kept_share: Share of what was taken that stood soon after; None where nothing
            was looked for.
        kept_long_share: The same ten minutes after.
        total_ms: Times from request to answer, of answers with a suggestion; None
            without such answers.
        stages_ms: The same of each stage of those requests that had it.
    """

    shown: int
    accepted: int
    partly_accepted: int
    saved_chars: int
    kept_share: float | None
    kept_long_share: float | None
    total_ms: Percentiles | None
    stages_ms: Mapping[str, Percentiles]

    @property
    def acceptance_rate(self) -> float | None:
        """Accepted suggestions by answers shown; None where none was."""
        return self.accepted / self.shown if self.shown else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """A record summed up.

    Attributes:
        requests: Requests that ended.
        overall: All of it.
        groups: Dimension to name to that group's part.
        reasons: Why nothing was shown, the commonest first, with how often.
    """

    requests: int
    overall: Summary
    groups: Mapping[str, Mapping[str, Summary]]
    reasons: Sequence[tuple[str, int]]


@dataclass(slots=True)
class _Sums:
    """What is added up for one group."""

    counts: Counter[str] = field(default_factory=Counter)
    chars: Counter[str] = field(default_factory=Counter)
    of_chars: Counter[str] = field(default_factory=Counter)
    times_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, list[float]] = field(default_factory=dict)

    def add(self, event: RequestEvent | SuggestionEvent) -> None:
        """Add an event."""
        if isinstance(event, RequestEvent):
            if event.outcome == Ending.SHOWN.value and event.total_ms is not None:
                self.times_ms.append(event.total_ms)
                for stage, stage_ms in event.stages_ms.items():
                    self.stages_ms.setdefault(stage, []).append(stage_ms)
            return
        self.counts[event.event] += 1
        self.chars[event.event] += event.chars
        self.of_chars[event.event] += event.of_chars

    def summary(self) -> Summary:
        """Return the sums as they are read."""
        counts = self.counts
        return Summary(
            shown=counts[FeedbackEvent.SHOWN.value],
            accepted=counts[FeedbackEvent.ACCEPTED.value],
            partly_accepted=counts[FeedbackEvent.PARTLY_ACCEPTED.value],
            saved_chars=sum(self.chars[each] for each in _TAKEN),
            kept_share=self._share(_SOON),
            kept_long_share=self._share(_LONG),
            total_ms=_percentiles(self.times_ms),
            stages_ms={
                stage: found
                for stage in _STAGES
                if (found := _percentiles(self.stages_ms.get(stage, [])))
            },
        )

    def _share(self, events: set[str]) -> float | None:
        """Return the share of accepted characters that were still there later."""
        of_chars = sum(self.of_chars[each] for each in events)
        kept = sum(self.chars[each] for each in events)
        return kept / of_chars if of_chars else None


def statistics_of(events: Iterable[RequestEvent | SuggestionEvent]) -> Statistics:
    """Sum events up."""
    overall = _Sums()
    groups: dict[str, dict[str, _Sums]] = {name: {} for name in DIMENSIONS}
    reasons: Counter[str] = Counter()
    requests = 0
    for event in events:
        overall.add(event)
        for dimension, sums in groups.items():
            name = str(getattr(event, dimension))
            if name:
                sums.setdefault(name, _Sums()).add(event)
        if isinstance(event, RequestEvent):
            requests += 1
            if event.sentence:
                reasons[event.sentence] += 1
    return Statistics(
        requests=requests,
        overall=overall.summary(),
        groups={
            dimension: {name: each.summary() for name, each in sorted(sums.items())}
            for dimension, sums in groups.items()
        },
        reasons=reasons.most_common(_MOST_REASONS),
    )


def _percentiles(times_ms: list[float]) -> Percentiles | None:
    """Return the percentiles, by nearest rank; None of no times."""
    if not times_ms:
        return None
    ranked = sorted(times_ms)

    def at(share: float) -> float:
        return ranked[math.ceil(share * len(ranked)) - 1]

    return Percentiles(p50=at(0.5), p90=at(0.9), p99=at(0.99))
