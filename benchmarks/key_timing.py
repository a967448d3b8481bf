"""Whether the time of a key check tells anything about the keys.

``python -m benchmarks.key_timing [--samples N]`` checks pairs of presented keys in
random order and compares their times by Welch's t-test, three times. A pair leaks if
the median of its three |t| is 4.5 or more: below it nothing can be told from so many
samples. One pair is a control: a comparison that stops at the first key that matches,
which the test must find. That a right key is the first or the last of the file is no
secret to whoever holds it; the line is there to show what a nanosecond looks like.

Source: Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?", 2016.
"""

import argparse
import gc
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from lsp_server.access.key_ring import KEYS_VARIABLE, KeyRing
from lsp_server.access.keys import StoredKey, digest_of, new_key_id, new_secret

_LEAKS = 4.5
_RUNS = 3
_CONTROL = "control, must leak"
_NO_SECRET = "right: first, last (no secret)"
_KEPT_SHARE = 0.9
"""The slowest tenth is left out: interrupts, not comparisons."""

Check = Callable[[str], object]
Make = Callable[[], str]


def main() -> int:
    """Measure every pair, print a table, and return 1 if one of them leaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000, metavar="N")
    parser.add_argument("--keys", type=int, default=50, metavar="N")
    options = parser.parse_args()
    secrets = [new_secret() for _ in range(options.keys)]
    stored = [
        StoredKey(id=new_key_id(), name=f"user {number}", sha256=digest_of(each).hex())
        for number, each in enumerate(secrets)
    ]
    lines = "\n".join(each.line for each in stored)
    ring = KeyRing.load(None, {KEYS_VARIABLE: lines})
    first, last = secrets[0], secrets[-1]
    wrong = new_secret()
    near = first[:-1] + ("0" if first[-1] != "0" else "1")
    pairs: Mapping[str, tuple[Check, Make, Make]] = {
        "wrong: all but one character, any": (ring.identify, lambda: near, new_secret),
        "wrong: one, any": (ring.identify, lambda: wrong, new_secret),
        _NO_SECRET: (ring.identify, lambda: first, lambda: last),
        "right, wrong": (ring.identify, lambda: first, new_secret),
        _CONTROL: (_naive(secrets), lambda: first, new_secret),
    }
    print(f"{options.keys} keys, {options.samples:,} samples of each presented key")
    print(f"{'pair':36} {'median us':>10} {'median us':>10}   t of three runs")
    leaks = {}
    for name, (check, one, other) in pairs.items():
        runs = [_times(check, one, other, options.samples) for _ in range(_RUNS)]
        ts = [_welch(*(_without_slowest(times) for times in run)) for run in runs]
        medians = [statistics.median(times) / 1000 for times in runs[-1]]
        shown = " ".join(f"{t:9.2f}" for t in ts)
        print(f"{name:36} {medians[0]:10.3f} {medians[1]:10.3f} {shown}")
        leaks[name] = statistics.median(abs(t) for t in ts) >= _LEAKS
    del leaks[_NO_SECRET]
    return int(not leaks.pop(_CONTROL) or any(leaks.values()))


def _naive(secrets: Sequence[str]) -> Check:
    """Return the check that nobody should write: it stops at the first match."""
    return lambda presented: any(presented == secret for secret in secrets)


def _times(
    check: Check, one: Make, other: Make, samples: int
) -> tuple[list[int], list[int]]:
    """Return the times of two presented keys in nanoseconds, taken in random order."""
    order = [0, 1] * samples
    random.shuffle(order)
    times: tuple[list[int], list[int]] = ([], [])
    clock = time.perf_counter_ns
    gc.disable()
    for which in order:
        # Both are made each time, in any order, and anew as from a socket: neither
        # place in memory nor the processor's caches may tell one from the other.
        makers = [(0, one), (1, other)]
        random.shuffle(makers)
        made = {number: make().encode() for number, make in makers}
        presented = made[which].decode()
        start = clock()
        check(presented)
        taken = clock() - start
        times[which].append(taken)
    gc.enable()
    return times


def _without_slowest(times: Sequence[int]) -> Sequence[int]:
    return sorted(times)[: int(len(times) * _KEPT_SHARE)]


def _welch(left: Sequence[int], right: Sequence[int]) -> float:
    """Return Welch's t of two samples."""
    spread = sum(statistics.variance(each) / len(each) for each in (left, right))
    apart = statistics.fmean(left) - statistics.fmean(right)
    return apart / math.sqrt(max(spread, 1e-12))


if __name__ == "__main__":
    sys.exit(main())
