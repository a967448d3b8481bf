"""Pins outlive the process, and a wrong pin file is told."""

from pathlib import Path

import pytest

from lsp_server.errors import ModelIntegrityError, PullError
from lsp_server.modelstore.registry.pins import Pins, require_same
from lsp_server.modelstore.registry.remote import Listing, RemoteFile


def listing_of(source: str = "https://a.example/x", digest: str = "git:1") -> Listing:
    """Make a listing of one file."""
    file = RemoteFile(name="config.json", address="", bytes=1, digest=digest)
    return Listing(source=source, revision="r", files=(file,))


def test_a_pin_is_found_again(tmp_path: Path) -> None:
    """By name and source, from the file."""
    Pins(tmp_path).keep("tiny", listing_of())
    Pins(tmp_path).keep("tiny", listing_of("https://b.example/x", "git:2"))
    pin = Pins(tmp_path).find("tiny", "https://a.example/x")
    assert pin is not None
    assert ("r", {"config.json": "git:1"}) == (pin.revision, pin.digests)
    assert Pins(tmp_path).find("tiny", "https://c.example/x") is None
    assert ["pins.json"] == [path.name for path in tmp_path.iterdir()]


def test_another_content_or_revision_is_refused(tmp_path: Path) -> None:
    """Both are part of the pin."""
    pin = Pins(tmp_path).keep("tiny", listing_of())
    require_same(pin, listing_of())
    for other in (
        listing_of(digest="git:2"),
        Listing(source="s", revision="r2", files=listing_of().files),
        Listing(source="s", revision="r", files=()),
    ):
        with pytest.raises(PullError, match="than what was pinned"):
            require_same(pin, other)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("{", ModelIntegrityError),
        ('{"pins": 1}', PullError),
        ('{"pins": {"a": {"source": "s"}}}', PullError),
    ],
)
def test_a_wrong_pin_file_is_told(
    tmp_path: Path, content: str, error: type[Exception]
) -> None:
    """Pins are not silently forgotten."""
    (tmp_path / "pins.json").write_text(content)
    with pytest.raises(error):
        Pins(tmp_path).find("tiny", "x")
