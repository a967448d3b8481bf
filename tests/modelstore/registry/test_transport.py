"""Small documents are read whole, whatever speaks to their source."""

from typing import Protocol

import pytest

from lsp_server.errors import PullError
from lsp_server.modelstore.registry.transport import decode, read
from lsp_server.modelstore.registry.web import Web


class Site(Protocol):
    """What these tests use of the server."""

    address: str
    contents: dict[str, bytes]


def test_too_large_a_document_is_told(
    site: Site, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing is small."""
    limit = "lsp_server.modelstore.registry.transport._LARGEST_JSON_BYTES"
    monkeypatch.setattr(limit, 3)
    site.contents["/a"] = b"1234"
    with pytest.raises(PullError, match="larger than 3 bytes"):
        read(web, f"{site.address}/a")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_told(content: bytes) -> None:
    """However it is broken."""
    with pytest.raises(PullError, match="not JSON"):
        decode("https://a.example", content)
