"""Every route needs a key once there is one; the message says how to send it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.access.gate import Caller, Gate, check_model
from lsp_server.access.key_ring import KeyRing
from lsp_server.access.keys import NO_KEY, Key, Route, StoredKey
from lsp_server.errors import NotAllowedError, NotAuthenticatedError

MakeKey = Callable[..., tuple[str, StoredKey]]
PROTECTED = [route for route in Route if route is not Route.HEALTH]


def ring_of(*keys: StoredKey) -> KeyRing:
    """Return a ring of these keys, in a process without a file of keys."""
    lines = "\n".join(key.line for key in keys)
    return KeyRing.load(Path("/nowhere/keys"), {"MIDFILL_KEYS": lines})


def caller_of(*authorizations: str) -> Caller:
    """Return a caller from this machine."""
    return Caller(hosts=["localhost"], authorizations=authorizations)


@pytest.mark.parametrize("route", PROTECTED)
def test_with_a_key_every_route_needs_it(route: Route, make_key: MakeKey) -> None:
    """Also on this machine, and also for what does not exist."""
    secret, stored = make_key()
    gate = Gate(ring_of(stored), is_local=True, insecure=True)

    assert stored.key == gate.enter(caller_of(f"Bearer {secret}"), route)
    assert stored.key == gate.enter(caller_of(f"bearer  {secret} "), route)
    header = f"Bearer {secret}"
    for wrong in ([], [""], [secret], ["Bearer"], [f"Basic {secret}"], [header] * 2):
        with pytest.raises(NotAuthenticatedError, match="Authorization: Bearer"):
            gate.enter(caller_of(*wrong), route)


@pytest.mark.parametrize(
    ("is_local", "insecure", "is_open"),
    [(True, False, True), (False, False, False), (False, True, True)],
)
def test_without_keys_only_this_machine_is_let_in(
    *, is_local: bool, insecure: bool, is_open: bool
) -> None:
    """Where others reach the server, no key lets nobody in, unless the user says so."""
    gate = Gate(ring_of(), is_local=is_local, insecure=insecure)
    for route in PROTECTED:
        if is_open:
            assert NO_KEY == gate.enter(caller_of("Bearer anything"), route)
        else:
            with pytest.raises(NotAuthenticatedError):
                gate.enter(caller_of("Bearer anything"), route)
    assert NO_KEY == gate.enter(caller_of(), Route.HEALTH)


def test_a_key_may_be_for_some_routes_and_models(make_key: MakeKey) -> None:
    """A revoked one is for none."""
    secret, stored = make_key(routes=(Route.METRICS,), models=("small",))
    old, revoked = make_key(revoked="2026-11-29")
    gate = Gate(ring_of(stored, revoked), is_local=False)

    key = gate.enter(caller_of(f"Bearer {secret}"), Route.METRICS)
    with pytest.raises(NotAllowedError, match="may not use lsp"):
        gate.enter(caller_of(f"Bearer {secret}"), Route.LSP)
    with pytest.raises(NotAuthenticatedError):
        gate.enter(caller_of(f"Bearer {old}"), Route.METRICS)
    check_model(key, "small")
    check_model(Key(key_id="k", name=""), "large")
    with pytest.raises(NotAllowedError, match="small"):
        check_model(key, "large")


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize(
    ("hosts", "origins"),
    [
        (["evil.example"], []),
        (["localhost"], ["http://evil.example"]),
        ([], ["http://evil.example"]),
    ],
)
def test_a_foreign_page_is_kept_out_even_with_a_key(
    route: Route, hosts: list[str], origins: list[str], make_key: MakeKey
) -> None:
    """A browser may hold a key; the page that uses it must be one of ours."""
    secret, stored = make_key()
    gate = Gate(ring_of(stored), is_local=True)
    caller = Caller(hosts=hosts, origins=origins, authorizations=[f"Bearer {secret}"])
    with pytest.raises(NotAllowedError, match=r"access\.(hosts|origins)"):
        gate.enter(caller, route)


@pytest.mark.parametrize("route", list(Route))
def test_without_a_host_health_alone_is_answered(
    route: Route, make_key: MakeKey
) -> None:
    """Load balancers probe it by HTTP/1.0; no browser leaves its host out."""
    secret, stored = make_key()
    gate = Gate(ring_of(stored), is_local=True)
    caller = Caller(hosts=[], authorizations=[f"Bearer {secret}"])
    if route is Route.HEALTH:
        assert NO_KEY == gate.enter(caller, route)
    else:
        with pytest.raises(NotAllowedError, match=r"access\.hosts"):
            gate.enter(caller, route)
