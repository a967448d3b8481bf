"""The benchmark's places can be made again, and look like typing."""

import itertools

from benchmarks.workload import Typing, places


def first(count: int, seed: int) -> list[Typing]:
    """The first places of a seed."""
    return list(itertools.islice(places(seed), count))


def test_a_seed_gives_the_same_places() -> None:
    """Both paths, and two runs, complete at the same places; other seeds elsewhere."""
    assert first(5, seed=1) == first(5, seed=1)
    assert first(5, seed=1) != first(5, seed=2)


def test_a_key_is_pressed_where_a_value_is_missing() -> None:
    """The key is the blank behind ``=``, and the rest of its line is empty."""
    for place in first(20, seed=0):
        before, after = place.text[: place.offset], place.text[place.offset :]
        assert " " == place.key
        assert before.endswith(" =")
        assert after.startswith("\n")


def test_every_place_has_a_document_of_its_own() -> None:
    """Superseding is by document, so no request of a burst supersedes another."""
    assert 20 == len({place.uri for place in first(20, seed=0)})
