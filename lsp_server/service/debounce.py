"""How long an automatic request waits before its prompt is built.

A completion that comes after the next key is work for nothing. Whether it would is seen
from the gaps between the user's latest keys and from how long the latest answers took.

On an idle engine nothing waits: work for nothing takes nothing from anybody, and what
was prefilled for one key is in the engine's prefix cache for the next. The more of the
engine others use, the likelier an answer must be to come before the next key.
"""

import asyncio
import statistics
import time
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

__all__ = ["AnswerTimes", "Debounce", "TypingPace", "wait_ms"]

_REMEMBERED_GAPS = 64
_LEAST_GAPS = 8
"""With fewer gaps nothing is known of the typist, so nothing waits."""

_LEAST_GAP_MS = 10.0
"""Changes that follow each other faster were not typed: an editor made them."""

_PAUSE_MS = 2000.0
"""A longer gap is a pause like any other."""

_REMEMBERED_ANSWERS = 16
_REMEMBERED_DOCUMENTS = 32

_LIKELY_AT_FULL_LOAD = 0.5
"""On a full engine an answer is generated if it is as likely as not to be in time."""


def wait_ms(
    gaps_ms: Sequence[float],
    *,
    since_key_ms: float,
    answer_ms: float,
    load: float,
    max_ms: float,
) -> float:
    """Return how long a request waits, in milliseconds.

    It waits until an answer is likely enough to come before the next key, judged by
    those of the latest gaps that were at least as long as the present one already is.

    Args:
        gaps_ms: The gaps between the user's latest keys.
        since_key_ms: The time since the last key.
        answer_ms: How long an answer takes.
        load: The share of the engine that others use, from 0 to 1.
        max_ms: The longest wait.
    """
    wanted = load * _LIKELY_AT_FULL_LOAD
    if wanted <= 0 or max_ms <= 0 or len(gaps_ms) < _LEAST_GAPS:
        return 0.0
    ordered = sorted(gaps_ms)
    begun = bisect_right(ordered, since_key_ms)
    for start_ms in (since_key_ms, *ordered[begun:]):
        waited_ms = start_ms - since_key_ms
        if waited_ms >= max_ms:
            break
        longer = len(ordered) - bisect_right(ordered, start_ms)
        in_time = len(ordered) - bisect_right(ordered, start_ms + answer_ms)
        if in_time >= longer * wanted:
            return waited_ms
    return max_ms


class TypingPace:
    """The gaps between one user's latest keys, each within one document.

    Args:
        clock: Returns monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._gaps_ms: deque[float] = deque(maxlen=_REMEMBERED_GAPS)
        self._last_s: OrderedDict[str, float] = OrderedDict()

    @property
    def gaps_ms(self) -> Sequence[float]:
        """The latest gaps, in milliseconds, the newest last."""
        return self._gaps_ms

    def key(self, uri: str) -> None:
        """Note a change of a document."""
        now_s = self._clock()
        last_s = self._last_s.pop(uri, None)
        self._last_s[uri] = now_s
        if len(self._last_s) > _REMEMBERED_DOCUMENTS:
            self._last_s.popitem(last=False)
        if last_s is None:
            return
        gap_ms = (now_s - last_s) * 1e3
        if gap_ms >= _LEAST_GAP_MS:
            self._gaps_ms.append(min(gap_ms, _PAUSE_MS))

    def since_key_ms(self, uri: str) -> float:
        """Return the time since a document's last key; long where there was none."""
        last_s = self._last_s.get(uri)
        return _PAUSE_MS if last_s is None else (self._clock() - last_s) * 1e3


class AnswerTimes:
    """How long the latest answers took, from the end of the wait on."""

    def __init__(self) -> None:
        self._latest_ms: deque[float] = deque(maxlen=_REMEMBERED_ANSWERS)

    @property
    def typical_ms(self) -> float:
        """The median of the latest answers; 0 before the first one."""
        return statistics.median(self._latest_ms) if self._latest_ms else 0.0

    def answered(self, taken_ms: float) -> None:
        """Note how long an answer took."""
        self._latest_ms.append(taken_ms)

    def broken_off(self, after_ms: float) -> None:
        """Note that an answer would have taken longer than this.

        Without it, an engine that answers nobody in time would look as fast as it was
        before.
        """
        if after_ms > self.typical_ms:
            self._latest_ms.append(after_ms)


class Debounce:
    """Lets the automatic requests of one user wait, and learns from their answers.

    Args:
        max_ms: The longest wait, in milliseconds; 0 never waits.
    """

    def __init__(self, max_ms: int) -> None:
        self._max_ms = max_ms
        self._times = AnswerTimes()

    async def wait(self, pace: TypingPace | None, uri: str, load: float) -> None:
        """Wait as long as `wait_ms` says; the next key's request cancels the wait.

        Args:
            pace: How fast the user types; None where that is not known.
            uri: The document.
            load: The share of the engine that others use, from 0 to 1.
        """
        if pace is None:
            return
        waited_ms = wait_ms(
            pace.gaps_ms,
            since_key_ms=pace.since_key_ms(uri),
            answer_ms=self._times.typical_ms,
            load=load,
            max_ms=self._max_ms,
        )
        if waited_ms > 0:
            await asyncio.sleep(waited_ms / 1e3)

    @contextmanager
    def measured(self, is_whole: Callable[[], bool]) -> Generator[None]:
        """Measure how long a generation takes that runs in the block.

        Args:
            is_whole: Returns, at the end, whether it was not broken off.
        """
        began_s = time.perf_counter()
        try:
            yield
        finally:
            taken_ms = (time.perf_counter() - began_s) * 1e3
            if is_whole():
                self._times.answered(taken_ms)
            else:
                self._times.broken_off(taken_ms)
