"""A discrete-event simulation of replicas, and how requests are routed to them."""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from benchmarks.capacity_load import Ask
from benchmarks.capacity_replica import Answer, Job, Outcome, Replica, Stage

__all__ = ["Route", "by_typist", "power_of_two", "simulate"]

Route = Callable[[Ask, Sequence[Replica]], Replica]
"""Chooses the replica for a request."""


def by_typist(ask: Ask, replicas: Sequence[Replica]) -> Replica:
    """Send a typist's requests to one replica, whose prefix cache knows the prompt."""
    return replicas[ask.typist % len(replicas)]


def power_of_two(seed: int) -> Route:
    """Return the route that tries two replicas and takes the one with less to do."""
    chance = random.Random(seed)  # noqa: S311 - a simulation's seed

    def route(_ask: Ask, replicas: Sequence[Replica]) -> Replica:
        pair = chance.sample(replicas, min(2, len(replicas)))
        return min(pair, key=lambda replica: replica.in_flight)

    return route


class _Simulation:
    """Events in the order of their times, and what each of them brings about."""

    def __init__(self, stages: Sequence[Stage], route: Route) -> None:
        self._replicas = [Replica(number=n, stage=s) for n, s in enumerate(stages)]
        self._route = route
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = itertools.count()
        self.jobs: list[Job] = []

    def at(self, when_ms: float, event: Callable[[float], None]) -> None:
        """Let something happen at a moment."""
        heapq.heappush(self._events, (when_ms, next(self._numbers), event))

    def run(self) -> None:
        """Let everything happen."""
        while self._events:
            now_ms, _, event = heapq.heappop(self._events)
            event(now_ms)

    def arrive(self, ask: Ask, now_ms: float) -> None:
        """Send a request to a replica."""
        job = Job(ask=ask, replica=self._route(ask, self._replicas))
        self.jobs.append(job)
        if job.replica.take(job, now_ms):
            self._serve(job.replica, now_ms)
        if ask.superseded_ms < math.inf:
            self.at(ask.superseded_ms, partial(job.end, Outcome.SUPERSEDED))

    def _serve(self, replica: Replica, now_ms: float) -> None:
        """Let Midfill work for the next request of a replica."""
        if begun := replica.serve():
            takes_ms, job = begun
            served_ms = now_ms + takes_ms
            self.at(served_ms, partial(self._serve, replica))
            arrived_ms = served_ms + replica.stage.speed.arrive_ms
            self.at(arrived_ms, partial(self._schedule, job))

    def _schedule(self, job: Job, now_ms: float) -> None:
        """Put a request before the engine, at once or together with others."""
        if job.answer:
            return
        begins_ms = job.replica.hold(job, now_ms)
        if begins_ms == now_ms:
            self._begin(job.replica, now_ms)
        elif begins_ms is not None:
            self.at(begins_ms, partial(self._begin, job.replica))

    def _begin(self, replica: Replica, now_ms: float) -> None:
        """Let requests begin that were held back."""
        if replica.begin(now_ms):
            self._step(replica, now_ms)

    def _step(self, replica: Replica, now_ms: float) -> None:
        """Let an engine take a step, if there is anything to do."""
        if begun := replica.step():
            takes_ms, jobs = begun
            self.at(now_ms + takes_ms, partial(self._end_step, replica, jobs))

    def _end_step(self, replica: Replica, jobs: Sequence[Job], now_ms: float) -> None:
        """Hand out the tokens of a step, and begin the next one."""
        for job in jobs:
            if not job.answer:
                job.get_token(now_ms)
        self._step(replica, now_ms)


def simulate(
    asks: Iterable[Ask], stages: Sequence[Stage], route: Route
) -> list[Answer]:
    """Return how every request ended, in the order of their arrival.

    Args:
        asks: The requests, in any order.
        stages: The replicas.
        route: Which of them a request is sent to.
    """
    simulation = _Simulation(stages, route)
    for ask in asks:
        simulation.at(ask.at_ms, partial(simulation.arrive, ask))
    simulation.run()
    return [job.answer for job in simulation.jobs if job.answer]
