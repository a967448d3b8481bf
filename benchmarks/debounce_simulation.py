"""Typists who share a simulated engine, for ``benchmarks.debounce``."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lsp_server.service.debounce import AnswerTimes, TypingPace

__all__ = ["Counts", "Setting", "Simulation", "Typist", "Wait", "human_gaps"]

_SECONDS, _WARM_UP_S = 120.0, 15.0
_PAUSE_S = 0.6
"""From this gap on a typist is said to pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How many type on which engine.

    Attributes:
        name: For the table.
        typists: How many type.
        answer_ms: How long a completion takes that is alone on the engine.
        slowdown: By how much of ``answer_ms`` each further request prolongs it.
        places: How many requests the engine works on side by side.
    """

    name: str
    typists: int
    answer_ms: float
    slowdown: float
    places: int


@dataclass(slots=True, kw_only=True, eq=False)
class Typist:
    """One typist, with what the server knows of it and its request.

    Attributes:
        gaps: The seconds from each key to the next.
        uri: The document.
        pace: The latest gaps.
        times: The latest answers.
        key_s: When the last key came.
        next_key_s: When the next one comes.
        begin_s: When the wait of the request is over; None without a wait.
        begun_s: When its generation began; None while there is none.
        left: The share of the generation that is left.
    """

    gaps: Iterator[float]
    uri: str
    pace: TypingPace
    times: AnswerTimes = field(default_factory=AnswerTimes)
    key_s: float = 0.0
    next_key_s: float = 0.0
    begin_s: float | None = None
    begun_s: float | None = None
    left: float = 0.0


Wait = Callable[[Typist, float], float]
"""Returns how long a request waits, in milliseconds, by typist and load."""


def human_gaps(chance: random.Random) -> Iterator[float]:
    """Yield the seconds between the keys of a typist with a pace of its own.

    Bursts of about ten keys, 100 to 200 ms apart, with pauses from 0.6 s on.
    """
    typical_s = chance.uniform(0.1, 0.2)
    while True:
        for _ in range(min(40, 1 + int(chance.expovariate(0.1)))):
            yield max(0.03, typical_s * chance.lognormvariate(0.0, 0.4))
        yield _PAUSE_S + chance.expovariate(0.7)


@dataclass(slots=True, kw_only=True)
class Counts:
    """What was counted after the warm-up."""

    keys: int = 0
    begun: int = 0
    in_time: int = 0
    pauses: int = 0
    work_ms: float = 0.0
    pause_ms: list[float] = field(default_factory=list)


class Simulation:
    """Typists who share an engine under one rule.

    Args:
        setting: How many, on which engine.
        wait: The rule.
        seed: The same seed types the same keys at the same times.
    """

    def __init__(self, setting: Setting, wait: Wait, seed: int) -> None:
        self._setting = setting
        self._wait = wait
        self._now_s = 0.0
        self._running: list[Typist] = []
        self._waiting: list[Typist] = []
        self._order = itertools.count()
        self._events: list[tuple[float, int, Typist]] = []
        self.counts = Counts()
        for number in range(setting.typists):
            chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a simulation
            pace = TypingPace(clock=lambda: self._now_s)
            typist = Typist(gaps=human_gaps(chance), uri=str(number), pace=pace)
            typist.next_key_s = chance.random()
            self._at(typist.next_key_s, typist)

    def run(self) -> Counts:
        """Let two minutes pass."""
        while self._events[0][0] < _SECONDS:
            at_s, _, typist = heapq.heappop(self._events)
            self._work_until(at_s)
            if at_s == typist.next_key_s:
                self._key(typist)
            elif at_s == typist.begin_s:
                self._begin(typist)
        return self.counts

    @property
    def _counts_now(self) -> bool:
        return self._now_s >= _WARM_UP_S

    def _at(self, at_s: float, typist: Typist) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), typist))

    def _key(self, typist: Typist) -> None:
        """Let a key supersede the request before, and ask for a completion."""
        self._take_back(typist)
        typist.pace.key(typist.uri)
        typist.key_s = self._now_s
        typist.next_key_s = self._now_s + next(typist.gaps)
        self._at(typist.next_key_s, typist)
        others = len(self._running) + len(self._waiting)
        load = min(1.0, others / self._setting.places)
        typist.begin_s = self._now_s + self._wait(typist, load) / 1e3
        self._at(typist.begin_s, typist)
        if self._counts_now:
            self.counts.keys += 1
            self.counts.pauses += typist.next_key_s - self._now_s >= _PAUSE_S

    def _begin(self, typist: Typist) -> None:
        typist.begin_s, typist.begun_s, typist.left = None, self._now_s, 1.0
        self._waiting.append(typist)
        self._admit()
        self.counts.begun += self._counts_now

    def _take_back(self, typist: Typist) -> None:
        if typist.begun_s is not None:
            typist.times.broken_off((self._now_s - typist.begun_s) * 1e3)
        typist.begun_s = typist.begin_s = None
        for line in (self._running, self._waiting):
            if typist in line:
                line.remove(typist)
        self._admit()

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._setting.places:
            self._running.append(self._waiting.pop(0))

    def _rate(self) -> float:
        """Return how much of its answer each running request gets in a second."""
        shared = 1 + self._setting.slowdown * (len(self._running) - 1)
        return 1e3 / self._setting.answer_ms / shared

    def _work_until(self, until_s: float) -> None:
        """Let the engine work until a moment, one finished answer after the other."""
        while self._running:
            soonest = min(self._running, key=lambda each: each.left)
            done_s = self._now_s + soonest.left / self._rate()
            part = (min(done_s, until_s) - self._now_s) * self._rate()
            for each in self._running:
                each.left -= part
            if self._counts_now:
                shares = part * len(self._running)
                self.counts.work_ms += shares * self._setting.answer_ms
            self._now_s = min(done_s, until_s)
            if done_s > until_s:
                break
            self._running.remove(soonest)
            self._answered(soonest)
            self._admit()
        self._now_s = until_s

    def _answered(self, typist: Typist) -> None:
        if typist.begun_s is not None:
            typist.times.answered((self._now_s - typist.begun_s) * 1e3)
        typist.begun_s = None
        if typist.key_s >= _WARM_UP_S:
            self.counts.in_time += 1
            if typist.next_key_s - typist.key_s >= _PAUSE_S:
                self.counts.pause_ms.append((self._now_s - typist.key_s) * 1e3)
