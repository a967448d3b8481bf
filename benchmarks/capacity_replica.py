"""A replica in a simulation: Midfill's own work, and the steps of one engine behind it.

The engine's steps take as long as `EngineSpeed` says. Midfill works for one request
after the other, on one event loop. A replica holds the prompts that it has read: a
request costs what its typist's prompt has got since this replica last read it, and the
whole prompt after a jump, or where it was never read.
"""

import enum
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from benchmarks.capacity_load import Ask
from lsp_server.engine.engine_speed import EngineSpeed
from lsp_server.service.joined_starts import LEAST_RUNNING

__all__ = ["Answer", "Job", "Outcome", "Replica", "Stage"]


class Outcome(enum.Enum):
    """What became of a request."""

    ANSWERED = "answered"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a request ended.

    Attributes:
        ask: The request.
        replica: The number of the replica that it was sent to.
        outcome: What became of it.
        first_ms: When it had its first token; None where it had none.
        end_ms: When it ended.
        read_tokens: Prompt tokens that were read for it.
    """

    ask: Ask
    replica: int
    outcome: Outcome
    first_ms: float | None
    end_ms: float
    read_tokens: int

    @property
    def took_ms(self) -> float:
        """How long it was in the system."""
        return self.end_ms - self.ask.at_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a replica is made of.

    Attributes:
        speed: Of its engine.
        server_ms: Midfill's own work for one request, during which it does no other.
        most_running: Requests in the engine side by side.
        most_waiting: Requests that wait for that; beyond them they are refused.
        joined_ms: Starts behind another wait so long to begin together, as
            `lsp_server.service.joined_starts` has them; 0 for not.
    """

    speed: EngineSpeed
    server_ms: float
    most_running: int = 256
    most_waiting: int = 256
    joined_ms: float = 0.0


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """A request in a replica."""

    ask: Ask
    replica: "Replica"
    to_read: int = 0
    read: int = 0
    to_write: int = 0
    first_ms: float | None = None
    is_begun: bool = False
    answer: Answer | None = None

    def end(self, outcome: Outcome, now_ms: float) -> None:
        """End it, unless it has ended."""
        if self.answer:
            return
        self.replica.in_flight -= outcome is not Outcome.REFUSED
        self.replica.begun -= self.is_begun
        self.answer = Answer(
            ask=self.ask,
            replica=self.replica.number,
            outcome=outcome,
            first_ms=self.first_ms,
            end_ms=now_ms,
            read_tokens=self.read,
        )

    def get_token(self, now_ms: float) -> None:
        """Count the token that a step brought, which ends now."""
        if self.first_ms is None:
            self.first_ms = now_ms
        self.to_write -= 1
        if self.to_write <= 0:
            self.end(Outcome.ANSWERED, now_ms)


@dataclass(eq=False, slots=True, kw_only=True)
class Replica:
    """A replica while the simulation runs.

    Attributes:
        number: Which one it is, from 0.
        stage: What it is made of.
        in_flight: Requests in it.
        begun: Those of them that are in the engine, or are held back before it.
    """

    number: int
    stage: Stage
    in_flight: int = 0
    begun: int = 0
    _held: list[Job] = field(default_factory=list)
    _opens_ms: float = -math.inf
    _arrived: deque[Job] = field(default_factory=deque)
    _is_serving: bool = False
    _waiting: list[Job] = field(default_factory=list)
    _decoding: list[Job] = field(default_factory=list)
    _is_stepping: bool = False
    _read_to: OrderedDict[int, int] = field(default_factory=OrderedDict)

    def take(self, job: Job, now_ms: float) -> bool:
        """Queue a request or count it as refused; return whether nothing was served."""
        if self.in_flight >= self.stage.most_running + self.stage.most_waiting:
            job.end(Outcome.REFUSED, now_ms)
            return False
        self.in_flight += 1
        self._arrived.append(job)
        was_idle, self._is_serving = not self._is_serving, True
        return was_idle

    def serve(self) -> tuple[float, Job] | None:
        """Begin Midfill's work for a request; return how long it takes, and whose."""
        while self._arrived:
            job = self._arrived.popleft()
            if not job.answer:
                return self.stage.server_ms + self.stage.speed.submit_ms, job
        self._is_serving = False
        return None

    def hold(self, job: Job, now_ms: float) -> float | None:
        """Hold a request back; return when it begins, None if with an earlier one."""
        is_open = self.begun < LEAST_RUNNING or now_ms >= self._opens_ms
        job.is_begun = True
        self.begun += 1
        self._held.append(job)
        if is_open or not self.stage.joined_ms:
            self._opens_ms = now_ms
            return now_ms
        return self._opens_ms if len(self._held) == 1 else None

    def begin(self, now_ms: float) -> bool:
        """Let what is held begin, if it is time; return as `schedule` does."""
        if now_ms < self._opens_ms or not self._held:
            return False
        held, self._held = self._held, []
        self._opens_ms = now_ms + self.stage.joined_ms
        return sum(self.schedule(job) for job in held if not job.answer) > 0

    def schedule(self, job: Job) -> bool:
        """Put a request before the engine; return whether that has to be started."""
        self._waiting.append(job)
        was_idle, self._is_stepping = not self._is_stepping, True
        return was_idle

    def step(self) -> tuple[float, list[Job]] | None:
        """Begin a step; return its length and who gets a token, None if it is idle."""
        speed = self.stage.speed
        self._waiting = [job for job in self._waiting if not job.answer]
        decoding = [job for job in self._decoding if not job.answer]
        left = room = speed.step_tokens - len(decoding)
        begun = through = 0
        for job in self._waiting[: self.stage.most_running - len(decoding)]:
            if left <= 0:
                break
            begun += not job.read
            left -= self._read(job, left)
            through += not job.to_read
        if not decoding and left == room:
            self._decoding, self._is_stepping = [], False
            return None
        takes_ms = speed.step_takes_ms(
            decoding=len(decoding), prompt_tokens=room - left, begun=begun
        )
        self._decoding = decoding + self._waiting[:through]
        self._waiting = self._waiting[through:]
        return takes_ms, self._decoding

    def _read(self, job: Job, most_tokens: int) -> int:
        """Read of a request's prompt what a step has room for; return how much."""
        ask = job.ask
        if not job.read:
            known = self._read_to.get(ask.typist, -math.inf)
            unread = min(ask.prompt_tokens, ask.written_tokens - known)
            job.to_read = max(1, int(unread) + ask.again_tokens)
            job.to_write = ask.output_tokens
        tokens = min(job.to_read, most_tokens)
        job.to_read -= tokens
        job.read += tokens
        reached = ask.written_tokens - max(0, job.to_read - ask.again_tokens)
        self._read_to[ask.typist] = max(self._read_to.get(ask.typist, 0), reached)
        self._read_to.move_to_end(ask.typist)
        if len(self._read_to) * ask.prompt_tokens > self.stage.speed.kept_tokens:
            self._read_to.popitem(last=False)
        return tokens
