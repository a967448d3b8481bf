"""Editors on one server before one simulated GPU, for ``benchmarks.waiting``.

Unlike `capacity_simulation`, which knows requests alone, it has every key: the server
works for each, a key ends the request before it, and from keys the server learns when
the next one may come. The engine is a `capacity_replica`'s.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from benchmarks.capacity_load import Ask
from benchmarks.capacity_replica import Job, Outcome, Replica, Stage
from benchmarks.typist import JUMP_SHARE, MOST_KEYS, pause_of
from lsp_server.service.debounce import AnswerTimes, TypingPace

__all__ = ["Editor", "Rules", "Seen", "Server", "Wait"]

_KEY_MS, _REQUEST_MS, _GENERATION_MS = 0.3, 0.7, 2.1
"""The server's work: 4.6 ms for a request with its keys at 100 typists, as measured
beside an H200, of which the engine's ``submit_ms`` is a part. How it divides into the
three is estimated from a profile with an engine that computes nothing."""

_KEY_GAP_MS, _INTERVAL_MS = 60.0, 500.0
_PROMPT_TOKENS, _BLOCK_TOKENS = 1300, 16
_LEAST_TOKENS, _MOST_TOKENS = 8, 32

_TICK_MS, _LATE_MS, _RISE, _FALL, _MOST_SHARE = 50.0, 60.0, 0.05, 0.01, 0.9
"""As in `lsp_server.service.overload`."""


@dataclass(slots=True, kw_only=True, eq=False)
class Seen:
    """A request, and what became of it.

    Attributes:
        ask: What it asks of the engine.
        editor: Whose it is.
        job: It in the engine; None before.
        begun_ms: When its prompt began to be made.
        outcome: ``answered``, ``superseded`` or ``busy``; empty while it is open.
        end_ms: When it ended.
    """

    ask: Ask
    editor: "Editor"
    job: Job | None = None
    begun_ms: float = 0.0
    outcome: str = ""
    end_ms: float = 0.0


@dataclass(slots=True, kw_only=True, eq=False)
class Editor:
    """What the server knows of an editor."""

    pace: TypingPace
    times: AnswerTimes = field(default_factory=AnswerTimes)
    open: Seen | None = None


Wait = Callable[["Server", Editor], float]
"""Returns how long a request waits before its prompt is made, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a server treats requests.

    Attributes:
        wait: The wait before the prompt.
        joined_ms: Starts behind another wait so long to be joined; 0 for not.
        least_running: With fewer requests in the engine none waits for that.
        joins_early: Whether they wait before the prompt is made, not behind it.
        most_tokens: The longest answer.
        work: The server's work, as a share of what it was.
        stage: The engine.
    """

    wait: Wait
    stage: Stage
    joined_ms: float = 0.0
    least_running: int = 0
    joins_early: bool = False
    most_tokens: int = _MOST_TOKENS
    work: float = 1.0


class Server:
    """A server, its engine and its editors, until all is answered.

    Args:
        typists: How many type, each in an editor.
        seconds: For how long.
        rules: How requests are treated.
        seed: The same seed types the same keys.
    """

    def __init__(self, typists: int, seconds: float, rules: Rules, seed: int) -> None:
        self._rules = rules
        self._now_ms = self._free_ms = 0.0
        self._opens_ms, self._held = 0.0, list[tuple[Seen, Callable[[], None]]]()
        self._share = self._owed = 0.0
        self._until_ms = seconds * 1e3
        self._replica = Replica(number=0, stage=rules.stage)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._by_job: dict[Job, Seen] = {}
        self.running = 0
        self.begun = 0
        self.worked_ms = 0.0
        self.times = AnswerTimes()
        self.seen: list[Seen] = []
        for number in range(typists):
            editor = Editor(pace=TypingPace(clock=lambda: self._now_ms / 1e3))
            self._next(editor, _events_of(number, self._until_ms, seed, rules))
        self._at(_TICK_MS, self._tick)

    def run(self) -> None:
        """Let everything happen."""
        while self._events:
            self._now_ms, _, event = heapq.heappop(self._events)
            event()

    def _at(self, at_ms: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_ms, next(self._order), event))

    def _work(self, work_ms: float) -> float:
        """Queue work for the one event loop, and return when it is done."""
        took_ms = work_ms * self._rules.work
        self.worked_ms += took_ms
        self._free_ms = max(self._free_ms, self._now_ms) + took_ms
        return self._free_ms

    def _tick(self) -> None:
        """Let the refused share follow the loop."""
        is_late = self._free_ms - self._now_ms > _LATE_MS
        change = _RISE if is_late else -_FALL
        self._share = min(_MOST_SHARE, max(0.0, self._share + change))
        if self._now_ms < self._until_ms:
            self._at(self._now_ms + _TICK_MS, self._tick)

    def _next(self, editor: Editor, events: Iterator[tuple[float, Ask | None]]) -> None:
        if found := next(events, None):
            self._at(found[0], partial(self._come, editor, events, found[1]))

    def _come(
        self,
        editor: Editor,
        events: Iterator[tuple[float, Ask | None]],
        ask: Ask | None,
    ) -> None:
        """Read a key, or a request."""
        if ask is None:
            self._at(self._work(_KEY_MS), partial(self._key, editor))
        else:
            self.seen.append(seen := Seen(ask=ask, editor=editor))
            self._at(self._work(_REQUEST_MS), partial(self._request, seen))
        self._next(editor, events)

    def _key(self, editor: Editor) -> None:
        self._supersede(editor)
        editor.pace.key("")

    def _request(self, seen: Seen) -> None:
        self._supersede(seen.editor)
        self._owed += self._share
        if self._owed >= 1:
            self._owed -= 1
            self._end(seen, "busy")
            return
        seen.editor.open = seen
        wait_ms = self._rules.wait(self, seen.editor)
        self._at(self._now_ms + wait_ms, partial(self._make_prompt, seen))

    def _make_prompt(self, seen: Seen) -> None:
        if self._rules.joins_early:
            self._join(seen, partial(self._hand_over, seen))
        elif not seen.outcome:
            self._hand_over(seen)

    def _hand_over(self, seen: Seen) -> None:
        speed = self._rules.stage.speed
        seen.begun_ms, seen.job = self._now_ms, Job(ask=seen.ask, replica=self._replica)
        self._by_job[seen.job] = seen
        self.running += 1
        self.begun += 1
        done_ms = self._work(_GENERATION_MS + speed.submit_ms)
        start = partial(self._start, seen)
        if not self._rules.joins_early:
            start = partial(self._join, seen, start)
        self._at(done_ms + speed.arrive_ms, start)

    def _join(self, seen: Seen, start: Callable[[], None]) -> None:
        """Hold a request up until the next start, as `JoinedStarts` does."""
        joined_ms = self._rules.joined_ms
        is_open = self.running <= self._rules.least_running
        if seen.outcome:
            return
        self._held.append((seen, start))
        if is_open or not joined_ms or self._now_ms >= self._opens_ms:
            self._open()
        elif len(self._held) == 1:
            self._at(self._opens_ms, self._open)

    def _open(self) -> None:
        if not self._held:
            return
        self._opens_ms = self._now_ms + self._rules.joined_ms
        held, self._held = self._held, []
        for seen, start in held:
            if not seen.outcome:
                start()

    def _start(self, seen: Seen) -> None:
        if not seen.outcome and seen.job and self._replica.schedule(seen.job):
            self._step()

    def _step(self) -> None:
        if begun := self._replica.step():
            takes_ms, jobs = begun
            self._at(self._now_ms + takes_ms, partial(self._end_step, jobs))

    def _end_step(self, jobs: list[Job]) -> None:
        for job in jobs:
            if job.answer:
                continue
            job.get_token(self._now_ms)
            if job.answer:
                end = partial(self._end, self._by_job[job], "answered")
                self._at(max(self._now_ms, self._free_ms), end)
        self._step()

    def _supersede(self, editor: Editor) -> None:
        if editor.open is not None:
            self._end(editor.open, "superseded")

    def _end(self, seen: Seen, outcome: str) -> None:
        if seen.outcome:
            return
        seen.outcome, seen.end_ms, seen.editor.open = outcome, self._now_ms, None
        if seen.job is None:
            return
        seen.job.end(Outcome.SUPERSEDED, self._now_ms)
        self.running -= 1
        took_ms = self._now_ms - seen.begun_ms
        for times in (self.times, seen.editor.times):
            note = times.answered if outcome == "answered" else times.broken_off
            note(took_ms)


def _events_of(
    number: int, until_ms: float, seed: int, rules: Rules
) -> Iterator[tuple[float, Ask | None]]:
    """Yield the keys of a typist of `typist`, and the requests behind each burst."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a simulation's seed
    at_ms, written = 0.0, _PROMPT_TOKENS
    while at_ms < until_ms:
        pause_ms = _INTERVAL_MS * pause_of(chance)
        keys = chance.randint(1, MOST_KEYS)
        gap_ms = min(_KEY_GAP_MS, pause_ms / keys)
        at_ms += pause_ms
        is_jump = chance.random() < JUMP_SHARE
        written += _PROMPT_TOKENS if is_jump else keys
        again = chance.randrange(_BLOCK_TOKENS)
        answer = chance.randint(_LEAST_TOKENS, _MOST_TOKENS)
        yield from ((at_ms - gap_ms * left, None) for left in reversed(range(keys)))
        yield (
            at_ms,
            Ask(
                typist=number,
                at_ms=at_ms,
                prompt_tokens=_PROMPT_TOKENS,
                written_tokens=written,
                again_tokens=0 if is_jump else again,
                output_tokens=min(answer, rules.most_tokens),
                superseded_ms=math.inf,
            ),
        )
