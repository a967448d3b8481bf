"""Only allowed places are asked, and what fails is an error, not a traceback."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from lsp_server.config import RegistryConfig
from lsp_server.errors import BrokenOffError, PullError
from lsp_server.modelstore.registry.allow_list import AllowList
from lsp_server.modelstore.registry.transport import Web, decode, read


class Site(Protocol):
    """What these tests use of the server."""

    address: str
    contents: dict[str, bytes]
    statuses: dict[str, int]
    redirects: dict[str, str]
    budgets: dict[str, list[int]]
    headers: list[Mapping[str, str]]


SECRET = "hidden"
DEFAULT = tuple(RegistryConfig().sources.split())


@pytest.mark.parametrize(
    ("places", "address"),
    [
        (DEFAULT, "https://huggingface.co/x"),
        (DEFAULT, "https://cdn-lfs.huggingface.co/x"),
        (DEFAULT, "https://cas-bridge.xethub.hf.co/x?y=z"),
        (("http://localhost:80/",), "http://localhost:80/x"),
        (("http://localhost:80",), "http://localhost/x"),
        (("mirror.example",), "https://mirror.example/x"),
        (("s3://models",), "s3://models/x"),
    ],
)
def test_listed_places_pass(places: tuple[str, ...], address: str) -> None:
    """Hosts, hosts below one, and exact origins."""
    AllowList(places=places).require(address)


@pytest.mark.parametrize(
    ("places", "address"),
    [
        (DEFAULT, "http://huggingface.co/x"),
        (DEFAULT, "https://huggingface.co.evil.example/x"),
        (DEFAULT, "https://evilhuggingface.co/x"),
        (DEFAULT, "https://huggingface.co@evil.example/x"),
        (DEFAULT, "https://hf.co.evil.example/"),
        (DEFAULT, "file:///etc/passwd"),
        (DEFAULT, "ftp://huggingface.co/x"),
        (DEFAULT, "s3://huggingface.co/x"),
        (("http://localhost:80",), "http://localhost:81/x"),
        (("http://localhost:80",), "https://localhost:80/x"),
        (("http://localhost/models",), "http://localhost/models/x"),
        (("s3://models",), "s3://models-2/x"),
        (("s3://models",), "s3://Models/x"),
        (("models", "*.models"), "s3://models/x"),
        ((), "https://huggingface.co/x"),
    ],
)
def test_all_else_is_refused(places: tuple[str, ...], address: str) -> None:
    """Look-alikes, other schemes and other ports."""
    with pytest.raises(PullError):
        AllowList(places=places).require(address)


def test_the_error_says_how_to_allow_it() -> None:
    """The setting's name, and what is allowed now."""
    with pytest.raises(PullError, match=r"registry\.sources.*allowed are a\.example"):
        AllowList(places=["a.example"]).require("https://b.example/x")


def test_the_error_quotes_no_password() -> None:
    """An address may hold one by mistake."""
    with pytest.raises(PullError) as caught:
        AllowList(places=[]).require("https://me:hidden@b.example/x")
    assert "https://b.example" == caught.value.subject
    assert "hidden" not in str(caught.value)


def test_reads_an_address(site: Site, web: Web) -> None:
    """The content comes as it is, in the bytes that were sent."""
    site.contents["/a"] = b"\x1f\x8bcontent"
    assert b"\x1f\x8bcontent" == read(web, f"{site.address}/a")
    assert "identity" == site.headers[0]["Accept-Encoding"]


def test_reads_from_a_byte_on(site: Site, web: Web) -> None:
    """The start says whether the server did so."""
    site.contents["/a"] = b"abcdef"
    with web.open(f"{site.address}/a", start=4) as content:
        assert (b"ef", 4) == (b"".join(content.chunks), content.start)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "wants a login"),
        (403, "wants a login"),
        (404, "status 404"),
        (503, "status 503"),
    ],
)
def test_a_status_is_reported(site: Site, web: Web, status: int, message: str) -> None:
    """A login is what gated models want."""
    site.statuses["/a"] = status
    with pytest.raises(PullError, match=message):
        read(web, f"{site.address}/a")


def test_an_address_without_a_server_is_reported() -> None:
    """The port was free a moment ago."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    web = Web(AllowList(places=[address]), timeout_s=2)
    with pytest.raises(PullError, match="cannot be reached"):
        read(web, f"{address}/a")


def test_a_silent_server_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the longest silence, which is not httpx' own."""
    limits = []
    send = httpx.HTTPTransport.handle_request

    def handle(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        limits.append(request.extensions["timeout"]["read"])
        return send(self, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        web = Web(AllowList(places=[address]), timeout_s=0.1)
        with pytest.raises(PullError, match="cannot be reached"):
            read(web, f"{address}/a")
    assert [0.1] == limits


def test_a_redirect_to_an_allowed_place_is_followed(site: Site, web: Web) -> None:
    """As the hub sends on to its store; the range goes along."""
    site.redirects["/a"] = f"{site.address}/b"
    site.contents["/b"] = b"abcdef"
    with web.open(f"{site.address}/a", start=4) as content:
        assert (b"ef", 4) == (b"".join(content.chunks), content.start)


def test_a_redirect_in_circles_is_reported(site: Site, web: Web) -> None:
    """It ends."""
    site.redirects["/a"] = f"{site.address}/a"
    with pytest.raises(PullError, match=r"cannot be reached .*redirects"):
        read(web, f"{site.address}/a")


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://[", "https://evil.example/", "//x.example"]
)
def test_a_redirect_to_another_place_is_refused(
    site: Site, web: Web, target: str
) -> None:
    """Another host, another scheme, a file of this machine, or no address at all."""
    site.redirects["/a"] = target
    with pytest.raises(PullError):
        read(web, f"{site.address}/a")
    assert 1 == len(site.headers)


def test_no_login_and_no_cookie_is_sent(
    site: Site, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what a server set, nor what lies in a file, nor what an address holds."""
    host = site.address.removeprefix("http://")
    (tmp_path / ".netrc").write_text(f"default login me password {SECRET}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    site.redirects["/a"] = f"{site.address}/b"
    site.contents["/b"] = b"x"
    read(web, f"{site.address}/a")
    for sent in site.headers:
        assert {"Authorization", "Cookie"}.isdisjoint(sent)
    assert 2 == len(site.headers)
    with pytest.raises(PullError, match="a name or a password") as caught:
        read(web, f"http://me:{SECRET}@{host}/a")
    assert SECRET not in str(caught.value)
    assert 2 == len(site.headers)


def test_goes_through_the_proxy_of_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy is asked for the whole address; what it may fetch is still a list."""
    monkeypatch.setenv("http_proxy", site.address)
    web = Web(AllowList(places=["http://hub.example"]), timeout_s=60)
    site.contents["/a"] = b"x"
    assert b"x" == read(web, "http://hub.example/a")
    assert ["hub.example"] == [sent["Host"] for sent in site.headers]
    with pytest.raises(PullError, match="not on the list"):
        read(web, f"{site.address}/a")
    assert 1 == len(site.headers)


@pytest.mark.parametrize("proxy", ["socks5://localhost:1", "ftp://x", "http://x:port"])
def test_a_proxy_that_cannot_be_used_is_reported(
    site: Site, web: Web, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """The error names the variables, and not what may be a password in them."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(PullError, match=r"HTTPS_PROXY: the proxy cannot be used"):
        read(web, f"{site.address}/a")


def test_content_that_breaks_off_is_reported(site: Site, web: Web) -> None:
    """What had arrived by then is not lost."""
    site.contents["/a"] = b"abcdef"
    site.budgets["/a"] = [4]
    arrived = bytearray()

    def read_on() -> None:
        with web.open(f"{site.address}/a") as content:
            for chunk in content.chunks:
                arrived.extend(chunk)

    with pytest.raises(BrokenOffError, match="the answer broke off"):
        read_on()
    assert b"abcd" == arrived


def test_too_large_a_document_is_reported(
    site: Site, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing is small."""
    limit = "lsp_server.modelstore.registry.transport._MAX_DOCUMENT_BYTES"
    monkeypatch.setattr(limit, 3)
    site.contents["/a"] = b"1234"
    with pytest.raises(PullError, match="larger than 3 bytes"):
        read(web, f"{site.address}/a")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_reported(content: bytes) -> None:
    """However it is broken."""
    with pytest.raises(PullError, match="not JSON"):
        decode("https://a.example", content)
