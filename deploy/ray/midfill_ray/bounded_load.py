"""Consistent hashing with bounded loads: which replica a document belongs to.

Each replica has many points on a ring, and a key belongs to the replica of the next
point: a replica that comes or goes moves its own share of keys alone. One that is hot
is passed over, so that no popular key costs the others their answers.

Source: Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018.
"""

import bisect
import hashlib
import itertools
import math
from collections.abc import Callable, Collection, Iterator

__all__ = ["HashRing", "is_hot"]

_POINTS = 100
"""Points of each replica: shares of keys then differ by a tenth, about."""


class HashRing:
    """The replicas' places on the ring.

    Args:
        replicas: The replicas' names.
    """

    def __init__(self, replicas: Collection[str]) -> None:
        self.replicas = frozenset(replicas)
        points = sorted(
            (_hash(f"{replica}:{number}"), replica)
            for replica in self.replicas
            for number in range(_POINTS)
        )
        self._hashes = [point for point, _ in points]
        self._owners = [replica for _, replica in points]

    def ranked(self, key: str) -> Iterator[str]:
        """Yield every replica once, a key's own first, then those that follow it."""
        start = bisect.bisect(self._hashes, _hash(key))
        seen: set[str] = set()
        for owner in itertools.chain(self._owners[start:], self._owners[:start]):
            if owner not in seen:
                seen.add(owner)
                yield owner

    def choose(
        self, key: str, load_of: Callable[[str], int], *, knee: int, spread: float
    ) -> list[str]:
        """Return the replicas for a key, the best first.

        The key's own replica is the first unless it is hot, as `is_hot` says; then it
        is the next one that is not, and if all are, the one with the least load.

        Args:
            key: What is to stay on one replica.
            load_of: Returns how many requests a replica works on.
            knee: How many a replica can work on before each takes longer.
            spread: From how many times the mean load on a replica is hot.
        """
        ranked = list(self.ranked(key))
        loads = {replica: load_of(replica) for replica in ranked}
        total = sum(loads.values())
        hot = {
            replica
            for replica in ranked
            if is_hot(loads[replica], total, len(ranked), knee=knee, spread=spread)
        }
        cool = [replica for replica in ranked if replica not in hot]
        # The sort keeps the order of those that have as much to do.
        hottest_last = sorted(filter(hot.__contains__, ranked), key=loads.__getitem__)
        return [*cool, *hottest_last]


def is_hot(load: int, total: int, replicas: int, *, knee: int, spread: float) -> bool:
    """Return whether a replica is to be passed over for its load.

    Below the knee none is, whatever the others do: to go elsewhere would cost the KV
    cache, and win nothing.

    Args:
        load: How many requests it works on.
        total: How many all of them work on.
        replicas: How many replicas there are.
        knee: How many a replica can work on before each takes longer.
        spread: From how many times the mean load on a replica is hot.
    """
    return load >= max(knee, math.ceil(spread * (total + 1) / replicas))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
