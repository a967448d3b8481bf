"""The newest request of a document wins, and nothing is left behind."""

import asyncio

import pytest

from lsp_server.service.inflight import Inflight


class Work:
    """Work that says when it begins, and how it ended."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.taking_back = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> str:
        self.begun.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "done"


class StubbornWork(Work):
    """Work that takes its time to be taken back, as an engine may."""

    async def __call__(self) -> str:
        try:
            return await super().__call__()
        finally:
            await self.taking_back.wait()


async def settle(inflight: Inflight[str]) -> None:
    """Wait until no task is left."""
    async with asyncio.timeout(60):
        while inflight.tasks:  # noqa: ASYNC110 - only loop turns, no time, is waited for
            await asyncio.sleep(0)


async def test_work_gives_its_result() -> None:
    """Without a rival, the work's result comes back."""
    inflight: Inflight[str] = Inflight()
    work = Work()
    work.release.set()
    assert await inflight.run("a", work) == "done"
    await settle(inflight)
    assert not inflight._latest


async def test_a_newer_request_lets_the_older_go_at_once() -> None:
    """The older one gets None before its work is taken back, which is cancelled."""
    inflight: Inflight[str] = Inflight()
    old, new = StubbornWork(), Work()
    waiting = asyncio.create_task(inflight.run("a", old))
    await old.begun.wait()
    newer = asyncio.create_task(inflight.run("a", new))
    async with asyncio.timeout(60):
        assert await waiting is None
    assert old.cancelled
    assert inflight.tasks == 2
    old.taking_back.set()
    new.release.set()
    assert await newer == "done"
    await settle(inflight)


async def test_documents_do_not_disturb_each_other() -> None:
    """Requests of two documents both come to their end."""
    inflight: Inflight[str] = Inflight()
    one, two = Work(), Work()
    first = asyncio.create_task(inflight.run("a", one))
    second = asyncio.create_task(inflight.run("b", two))
    await one.begun.wait()
    await two.begun.wait()
    one.release.set()
    two.release.set()
    assert ["done", "done"] == [await first, await second]


async def test_a_cancelled_caller_cancels_the_work() -> None:
    """Cancelling reaches the work, and is not swallowed."""
    inflight: Inflight[str] = Inflight()
    work = Work()
    caller = asyncio.create_task(inflight.run("a", work))
    await work.begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await settle(inflight)
    assert work.cancelled
    assert not inflight._latest


async def test_what_the_work_raises_reaches_the_caller() -> None:
    """An error of the work is the caller's error."""

    async def broken() -> str:
        raise ZeroDivisionError

    inflight: Inflight[str] = Inflight()
    with pytest.raises(ZeroDivisionError):
        await inflight.run("a", broken)
    await settle(inflight)


async def test_an_error_after_being_superseded_is_nobodys() -> None:
    """Work that fails while it is taken back makes no noise."""

    class Failing(Work):
        async def __call__(self) -> str:
            try:
                return await super().__call__()
            except asyncio.CancelledError:
                raise ZeroDivisionError from None

    inflight: Inflight[str] = Inflight()
    old, new = Failing(), Work()
    new.release.set()
    waiting = asyncio.create_task(inflight.run("a", old))
    await old.begun.wait()
    assert await inflight.run("a", new) == "done"
    assert await waiting is None
    await settle(inflight)


async def test_close_takes_everything_back() -> None:
    """Callers get None, and every piece of work has ended when close returns."""
    inflight: Inflight[str] = Inflight()
    works = [Work() for _ in range(3)]
    callers = [
        asyncio.create_task(inflight.run(str(i), work)) for i, work in enumerate(works)
    ]
    for work in works:
        await work.begun.wait()
    await inflight.close()
    assert inflight.tasks == 0
    assert [None] * 3 == [await caller for caller in callers]
    assert all(work.cancelled for work in works)
    await inflight.close()


async def test_a_thousand_rivals_leave_nothing_behind() -> None:
    """Of many requests in a row only the last is answered, and no task stays."""
    inflight: Inflight[str] = Inflight()
    last = Work()
    last.release.set()
    rivals = [Work() for _ in range(1000)]
    callers = [asyncio.create_task(inflight.run("a", work)) for work in [*rivals, last]]
    answers = [await caller for caller in callers]
    assert [*[None] * 1000, "done"] == answers
    await settle(inflight)
    assert not inflight._latest
