"""Foreign web pages stay out, whatever they make a browser send (faults 28 and 30)."""

import pytest

from lsp_server.access.hosts import (
    check_listener,
    host_allowed,
    is_loopback,
    origin_allowed,
)
from lsp_server.errors import ConfigError


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]:9000",
        "[::1]",
        "192.168.1.5:8012",
        "midfill.example",
        "Midfill.Example:443",
    ],
)
def test_own_names_and_addresses_are_let_in(host: str) -> None:
    """IP addresses need no look-up, so no rebinding gets to them."""
    assert host_allowed([host], names=["midfill.example"])


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example"],
        ["localhost.evil.example"],
        ["evil.example:127.0.0.1"],
        ["127.0.0.1.evil.example"],
        ["midfill.example.evil.example"],
        ["localhost@evil.example"],
        ["localhost, evil.example"],
        ["localhost", "evil.example"],
        ["localhost", "localhost"],
        [" localhost"],
        ["localhost\n"],
        ["localhost/evil"],
        ["localhost:80:80"],
        ["localhost:99999"],
        ["localhost:"],
        ["[::1"],
        ["::1"],
        ["[localhost]"],
        ["0x7f.1"],
        ["localhost%00.evil.example"],
        ["a" * 5000],
    ],
)
def test_foreign_and_malformed_hosts_are_not(hosts: list[str]) -> None:
    """What DNS rebinding sends, and what parsers disagree about."""
    assert not host_allowed(hosts, names=["midfill.example"])


@pytest.mark.parametrize(
    ("origins", "is_allowed"),
    [
        ([], True),
        (["http://localhost:8012"], True),
        (["HTTPS://IDE.example"], True),
        (["http://localhost:3000"], False),
        (["http://localhost"], False),
        (["null"], False),
        ([""], False),
        (["http://evil.example"], False),
        (["https://ide.example.evil.example"], False),
        (["https://ide.example:444"], False),
        (["http://ide.example"], False),
        (["https://ide.example", "https://ide.example"], False),
        (["vscode-webview://abc"], False),
    ],
)
def test_only_own_and_listed_pages_are_let_in(
    origins: list[str], *, is_allowed: bool
) -> None:
    """Programs send no origin; a page on another port is a foreign one."""
    allowed = ["https://ide.example/", "null"]
    hosts = ["localhost:8012"]
    assert is_allowed is origin_allowed(origins, hosts=hosts, allowed=allowed)


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("", False),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound here
        ("::", False),
        ("192.168.1.5", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_an_address_of_others_needs_tls_and_keys(
    address: str, *, is_local: bool
) -> None:
    """Listening where others reach the server takes both, or the user's word."""
    assert is_local is is_loopback(address)
    for tls, keys in ((False, False), (True, False), (False, True)):
        check_listener(address, has_tls=tls, has_keys=keys, insecure=True)
        if is_local:
            check_listener(address, has_tls=tls, has_keys=keys, insecure=False)
        else:
            with pytest.raises(ConfigError, match="insecure_listen"):
                check_listener(address, has_tls=tls, has_keys=keys, insecure=False)
    check_listener(address, has_tls=True, has_keys=True, insecure=False)


@pytest.mark.parametrize(
    ("there", "said", "unsaid"),
    [
        ({}, {"no TLS and no API key", "tls_certificate", "keys create"}, set()),
        ({"has_tls"}, {"no API key.", "keys create"}, {"TLS", "certificate"}),
        ({"has_keys"}, {"no TLS.", "tls_certificate"}, {"API key", "keys create"}),
    ],
)
def test_only_what_is_missing_is_asked_for(
    there: set[str], said: set[str], unsaid: set[str]
) -> None:
    """Somebody with a certificate is not told to get one."""
    given = {each: each in there for each in ("has_tls", "has_keys")}
    with pytest.raises(ConfigError) as refused:
        check_listener("192.0.2.7", insecure=False, **given)
    text = str(refused.value)
    assert said == {each for each in said | unsaid if each in text}
