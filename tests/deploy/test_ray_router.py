"""Which replica a document's requests go to, without any Ray."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.values import GenerationRequest
from midfill_ray.bounded_load import HashRing
from midfill_ray.wire import session_of

DOCUMENTS = [f"document-{number}" for number in range(400)]
REPLICAS = ["a", "b", "c", "d"]
LOADS = st.dictionaries(st.sampled_from(REPLICAS), st.integers(0, 64), min_size=1)


def owners(replicas: list[str]) -> dict[str, str]:
    """Return each document's replica while none has anything to do."""
    ring = HashRing(replicas)
    return {
        document: ring.choose(document, lambda _: 0, knee=8, spread=1.25)[0]
        for document in DOCUMENTS
    }


def test_a_document_stays_and_documents_are_spread() -> None:
    """Every ring is the same, and each replica has about its share."""
    assert owners(REPLICAS) == owners(REPLICAS[::-1])
    counted = Counter(owners(REPLICAS).values())
    assert set(REPLICAS) == set(counted)
    assert max(counted.values()) < 2 * min(counted.values())


def test_only_the_documents_of_a_lost_replica_move() -> None:
    """The others keep their KV cache when one comes or goes."""
    before, after = owners(REPLICAS), owners(REPLICAS[:-1])
    moved = {document for document in DOCUMENTS if before[document] != after[document]}
    assert moved == {each for each in DOCUMENTS if before[each] == REPLICAS[-1]}


@given(LOADS, st.text(), st.integers(1, 32))
def test_the_first_replica_is_never_hotter_than_it_needs_to_be(
    loads: dict[str, int], key: str, knee: int
) -> None:
    """Each replica comes once, and none over the bound is the first."""
    ring = HashRing(loads)
    chosen = ring.choose(key, loads.__getitem__, knee=knee, spread=1.25)
    assert sorted(loads) == sorted(chosen)
    bound = max(knee, 1.25 * (sum(loads.values()) + 1) / len(loads))
    assert loads[chosen[0]] <= bound
    own = next(ring.ranked(key))
    if loads[own] < knee:
        assert own == chosen[0]


@pytest.mark.parametrize(
    ("own", "other", "stays"),
    [(7, 0, True), (8, 0, False), (8, 8, True), (30, 9, False)],
)
def test_a_hot_document_overflows(own: int, other: int, stays: bool) -> None:  # noqa: FBT001  a parameter of pytest's
    """At the knee, and above its share of the load, the next replica takes over."""
    ring = HashRing(["a", "b"])
    key = next(each for each in DOCUMENTS if next(ring.ranked(each)) == "a")
    chosen = ring.choose(key, {"a": own, "b": other}.__getitem__, knee=8, spread=1.25)
    assert stays is (chosen[0] == "a")


def test_a_session_tells_tenants_users_and_documents_apart() -> None:
    """And nothing of a document's name is in it, which nobody can try out either."""

    def session(
        salt: str = "", user: str = "", document: str = "", secret: bytes = b"s"
    ) -> str:
        request = GenerationRequest(
            request_id="r",
            token_ids=(1,),
            max_tokens=1,
            cache_salt=salt,
            user=user,
            document=document,
        )
        return session_of(secret, request)

    named = {
        session(user="ab", document="c"),
        session(user="a", document="bc"),
        session(salt="a", document="bc"),
        session(document="abc"),
    }
    assert 4 == len(named)
    assert session(user="a") == session(user="a")
    assert session(user="a") != session(user="a", secret=b"other")
