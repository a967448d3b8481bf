"""Reading the web fails in sentences."""

import socket
from typing import Protocol

import pytest

from lsp_server.errors import PullError
from lsp_server.modelstore.registry.sources import AllowList
from lsp_server.modelstore.registry.transport import read, read_json
from lsp_server.modelstore.registry.web import Web


class Site(Protocol):
    """What these tests use of the server."""

    address: str
    contents: dict[str, bytes]
    statuses: dict[str, int]
    redirects: dict[str, str]
    budgets: dict[str, list[int]]
    requests: list[tuple[str, str | None]]


def test_reads_json(site: Site, web: Web) -> None:
    """The content of an allowed address."""
    site.contents["/a"] = b'{"b": [1]}'
    assert {"b": [1]} == read_json(web, f"{site.address}/a")


def test_reads_from_a_byte_on(site: Site, web: Web) -> None:
    """And says that the server did."""
    site.contents["/a"] = b"abcdef"
    response, first = web.open(f"{site.address}/a", start=4)
    with response:
        assert (b"ef", 4) == (response.read(), first)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "wants a login"),
        (403, "wants a login"),
        (404, "status 404"),
        (503, "status 503"),
    ],
)
def test_a_status_is_told(site: Site, web: Web, status: int, message: str) -> None:
    """A login is what gated models want."""
    site.statuses["/a"] = status
    with pytest.raises(PullError, match=message):
        read(web, f"{site.address}/a")


def test_an_address_without_a_server_is_told() -> None:
    """The port was free a moment ago."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    web = Web(AllowList(places=[address]), timeout_s=2)
    with pytest.raises(PullError, match="cannot be reached"):
        read(web, f"{address}/a")


def test_a_silent_server_is_told() -> None:
    """After the longest silence."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        web = Web(AllowList(places=[address]), timeout_s=0.1)
        with pytest.raises(PullError, match="cannot be reached"):
            read(web, f"{address}/a")


def test_a_redirect_in_circles_is_told(site: Site, web: Web) -> None:
    """It ends."""
    site.redirects["/a"] = f"{site.address}/a"
    with pytest.raises(PullError, match="status 302"):
        read(web, f"{site.address}/a")


def test_a_redirect_to_another_scheme_is_refused(site: Site, web: Web) -> None:
    """Not even for a file of this machine."""
    site.redirects["/a"] = "file:///etc/passwd"
    with pytest.raises(PullError):
        read(web, f"{site.address}/a")
