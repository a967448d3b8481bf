"""Random arrivals, cancellations and ends: nothing is lost, nothing comes twice."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import TypeVar

from admission_case import Case, settle
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lsp_server.errors import OverloadedError
from lsp_server.values import FinishReason, Priority

T = TypeVar("T")

RUNNING, QUEUE, PER_USER = 2, 5, 3


class AdmissionStates(RuleBasedStateMachine):
    """An admission whose requests come, go and end in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._case = self._run(self._make())
        self._cancelled: set[int] = set()

    async def _make(self) -> Case:
        return Case(running=RUNNING, queue=QUEUE, per_user=PER_USER)

    @rule(user=st.sampled_from("abcd"), priority=st.sampled_from(Priority))
    def arrive(self, user: str, priority: Priority) -> None:
        """A request comes."""

        async def ask() -> None:
            self._case.send(user, priority)

        self._run(ask())

    @rule(user=st.sampled_from("abcd"), count=st.integers(2, 12))
    def burst(self, user: str, count: int) -> None:
        """Many of one user's come in the same moment."""

        async def ask() -> None:
            self._case.send(user, count=count)

        self._run(ask())
        self._run(settle())

    @precondition(lambda self: self._case.tasks)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A caller gives up, wherever its request is."""
        at = data.draw(st.integers(0, len(self._case.tasks) - 1))
        if self._case.tasks[at].cancel():
            self._cancelled.add(at)

    @rule()
    def end(self) -> None:
        """The engine ends a request, if it has one."""
        if self._case.admission.running:
            self._run(self._case.end())

    @rule()
    def go_on(self) -> None:
        """Every task goes as far as it can."""
        self._run(settle())

    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        """Somebody ends a request by its id."""
        names = [f"{user}{at}" for user in "abcd" for at in range(20)]
        request_id = data.draw(st.sampled_from(names))
        self._run(self._case.admission.abort(request_id))

    @invariant()
    def no_more_than_allowed(self) -> None:
        """Limits hold, and no place is free while somebody waits."""
        admission = self._case.admission
        assert admission.running <= RUNNING
        assert admission.waiting <= QUEUE
        of_user = Counter(each.user for each in admission._turns._queue)
        assert all(count <= PER_USER for count in of_user.values())
        if admission.waiting:
            assert admission.running == RUNNING

    @invariant()
    def nothing_twice(self) -> None:
        """The engine has seen each request once at most."""
        scheduled = self._case.scheduled
        assert len(set(scheduled)) == len(scheduled)

    def teardown(self) -> None:
        """Let everything end: each request has exactly one ending."""
        self._run(settle())
        while self._case.admission.running:
            self._run(self._case.end())
        self._run(settle())
        assert (0, 0) == (self._case.admission.running, self._case.admission.waiting)
        for at, task in enumerate(self._case.tasks):
            assert task.done()
            if task.cancelled():
                assert at in self._cancelled
            elif error := task.exception():
                assert isinstance(error, OverloadedError)
            else:
                assert task.result() in {FinishReason.LENGTH, FinishReason.ABORT}
        self._run(self._case.admission.close())
        self._loop.close()

    def _run(self, coroutine: Coroutine[None, None, T]) -> T:
        return self._loop.run_until_complete(coroutine)


TestAdmissionStates = AdmissionStates.TestCase
TestAdmissionStates.settings = settings(max_examples=60, stateful_step_count=40)
