"""Whether the time of a key check tells anything about the keys.

``python benchmarks/key_timing.py [--samples N]`` checks pairs of presented keys in
random order and compares their times by Welch's t-test. Below 4.5 nothing can be told
from so many samples. One pair is a control: a comparison that stops at the first
difference, which the test must find.

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
_KEPT_SHARE = 0.9
"""The slowest tenth is left out: interrupts, not comparisons."""

Check = Callable[[str], object]


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
    near = first[:-1] + ("0" if first[-1] != "0" else "1")
    pairs: Mapping[str, tuple[Check, str, str]] = {
        "wrong: all but one character, none": (ring.identify, near, new_secret()),
        "wrong: one, another": (ring.identify, new_secret(), new_secret()),
        "right: first, last": (ring.identify, first, last),
        "right, wrong": (ring.identify, first, new_secret()),
        "control, must leak": (_naive(secrets), first, new_secret()),
    }
    print(f"{options.keys} keys, {options.samples:,} samples of each presented key")
    print(f"{'pair':36} {'median us':>10} {'median us':>10} {'t':>8}")
    leaks = {}
    for name, (check, one, other) in pairs.items():
        left, right = _times(check, one, other, options.samples)
        t = _welch(_without_slowest(left), _without_slowest(right))
        medians = [statistics.median(times) / 1000 for times in (left, right)]
        print(f"{name:36} {medians[0]:10.3f} {medians[1]:10.3f} {t:8.2f}")
        leaks[name] = abs(t) >= _LEAKS
    control = leaks.pop("control, must leak")
    return int(any(leaks.values()) or not control)


def _naive(secrets: Sequence[str]) -> Check:
    """Return the check that nobody should write: it stops at the first match."""
    return lambda presented: any(presented == secret for secret in secrets)


def _times(
    check: Check, one: str, other: str, samples: int
) -> tuple[list[int], list[int]]:
    """Return the times of two presented keys in nanoseconds, taken in random order."""
    # Neither may be the object that the ring or a cache knows: it came from a socket.
    pool = (one.encode(), other.encode())
    order = [0, 1] * samples
    random.shuffle(order)
    times: tuple[list[int], list[int]] = ([], [])
    clock = time.perf_counter_ns
    gc.disable()
    for which in order:
        presented = pool[which].decode()
        start = clock()
        check(presented)
        times[which].append(clock() - start)
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
