"""Limits let through what they allow, refuse the rest, and say when to come back."""

from contextlib import AsyncExitStack

import pytest

from lsp_server.access.keys import Key, KeyLimits
from lsp_server.access.limiter import Limiter
from lsp_server.errors import QuotaError

HOUR_S = 3600.0


def key_of(key_id: str = "k_1", **limits: float) -> Key:
    """Return a key with limits."""
    return Key(key_id=key_id, name="", limits=KeyLimits(**limits))  # type: ignore[arg-type]  # tests name their limits


@pytest.fixture
def now() -> list[float]:
    """Return a clock's reading, in seconds."""
    return [5000.0]


@pytest.fixture
def limiter(now: list[float]) -> Limiter:
    """Return a limiter with a clock that tests move."""
    return Limiter(clock=lambda: now[0])


async def use(limiter: Limiter, key: Key, tokens: int = 0) -> float:
    """Make one request; return 0, or after how many seconds it may come again."""
    try:
        async with limiter.admit(key, tokens):
            return 0.0
    except QuotaError as error:
        return error.retry_after_s


async def test_a_rate_holds_over_time_and_allows_a_burst(
    limiter: Limiter, now: list[float]
) -> None:
    """Five at once, then two a second; whoever waits as long as it says is let in."""
    key = key_of(requests_per_s=2, burst=5)
    assert [0.0] * 5 == [await use(limiter, key) for _ in range(5)]
    wait_s = await use(limiter, key)
    assert wait_s == pytest.approx(0.5)
    now[0] += wait_s
    assert await use(limiter, key) == 0.0

    passed = 0
    for _ in range(1000):
        now[0] += 0.1
        passed += await use(limiter, key) == 0.0
    assert passed == 200


async def test_keys_do_not_share_limits(limiter: Limiter) -> None:
    """What one has used up, another has not."""
    one, other = key_of(requests_per_s=1, burst=1), key_of("k_2", requests_per_s=1)
    assert await use(limiter, one) == 0.0
    assert await use(limiter, one) > 0.0
    assert await use(limiter, other) == 0.0


async def test_so_many_at_once_and_no_more(limiter: Limiter) -> None:
    """A place is free again when its request ends, however it ends."""
    key = key_of(concurrent=2)
    async with AsyncExitStack() as running:
        for _ in range(2):
            await running.enter_async_context(limiter.admit(key, 0))
        assert await use(limiter, key) == 1.0
    with pytest.raises(ZeroDivisionError):
        async with limiter.admit(key, 0):
            raise ZeroDivisionError
    async with limiter.admit(key, 0):
        assert await use(limiter, key) == 0.0


async def test_a_day_has_so_many_tokens(limiter: Limiter, now: list[float]) -> None:
    """They are charged as they were used, and come back when 24 hours are over."""
    key = key_of(tokens_per_day=1000)
    async with limiter.admit(key, 800) as grant:
        assert limiter.tokens_left(key) == 200
        grant.settle(300)
    assert limiter.tokens_left(key) == 700
    now[0] += 10 * HOUR_S
    assert await use(limiter, key, 700) == 0.0

    wait_s = await use(limiter, key, 300)
    assert 13 * HOUR_S < wait_s <= 15 * HOUR_S
    now[0] += wait_s - 1
    assert await use(limiter, key, 300) > 0.0
    now[0] += 1
    assert await use(limiter, key, 300) == 0.0
    assert await use(limiter, key, 1) > 0.0


async def test_a_request_that_never_fits_is_refused_as_such(limiter: Limiter) -> None:
    """Its message has the numbers, and it leaves the quota to others."""
    key = key_of(tokens_per_day=1000)
    with pytest.raises(QuotaError, match=r"key k_1: .*2,000 tokens.*1,000 are left"):
        async with limiter.admit(key, 2000):
            pass
    assert await use(limiter, key, 1000) == 0.0


async def test_a_refused_request_costs_nothing(limiter: Limiter) -> None:
    """Refusing for one reason takes nothing of another limit."""
    key = key_of(requests_per_s=1, burst=2, tokens_per_day=10)
    assert [await use(limiter, key, 11) > 0 for _ in range(5)] == [True] * 5
    assert [await use(limiter, key, 1) for _ in range(2)] == [0.0, 0.0]


async def test_a_key_without_limits_is_free(limiter: Limiter) -> None:
    """0 is no limit, also over days."""
    key = key_of()
    assert {0.0} == {await use(limiter, key, 10**9) for _ in range(1000)}
    assert limiter.tokens_left(key) is None


async def test_the_wall_clock_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock set back by years neither locks a key out nor opens it."""
    limiter, key = Limiter(), key_of(requests_per_s=0.001, burst=2)
    assert await use(limiter, key) == 0.0
    for wall_s in (0.0, 4e9, -4e9):
        monkeypatch.setattr("time.time", lambda wall_s=wall_s: wall_s)
    assert await use(limiter, key) == 0.0
    assert 0 < await use(limiter, key) <= 1000


@pytest.mark.parametrize(
    ("limits", "tokens"),
    [({"requests_per_s": 1, "burst": 1}, 1), ({"tokens_per_day": 9}, 9)],
)
async def test_what_would_be_refused_is_known_before(
    limiter: Limiter, now: list[float], limits: dict[str, float], tokens: int
) -> None:
    """To ask counts nothing, and says when to come back."""
    key = key_of("k_1", **limits)
    for _ in range(3):
        await limiter.check(key)
    assert await use(limiter, key, tokens) == 0.0
    with pytest.raises(QuotaError) as refused:
        await limiter.check(key)
    now[0] += refused.value.retry_after_s
    await limiter.check(key)


async def test_a_key_with_all_its_requests_running_is_refused_before(
    limiter: Limiter,
) -> None:
    """And let in again when one has ended."""
    key = key_of(concurrent=1)
    async with limiter.admit(key, 1):
        with pytest.raises(QuotaError):
            await limiter.check(key)
    await limiter.check(key)
