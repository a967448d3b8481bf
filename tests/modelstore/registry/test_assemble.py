"""One file comes whole, whatever lay there before."""

import hashlib
from pathlib import Path
from typing import Protocol

import pytest

from lsp_server.errors import PullError
from lsp_server.modelstore.registry.assemble import fetch
from lsp_server.modelstore.registry.listing import RemoteFile
from lsp_server.modelstore.registry.transport import Web

CONTENT = bytes(range(256)) * 16


class Site(Protocol):
    """What these tests use of the server."""

    address: str
    contents: dict[str, bytes]
    budgets: dict[str, list[int]]
    requests: list[tuple[str, str | None]]
    knows_ranges: bool


def file_on(site: Site, content: bytes = CONTENT) -> RemoteFile:
    """Serve a file."""
    site.contents["/file"] = content
    return RemoteFile(
        name="file",
        address=f"{site.address}/file",
        bytes=len(content),
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
    )


def nothing(_name: str, _done: int, _total: int) -> None:
    """Take no notice."""


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        (None, [None]),
        (b"", [None]),
        (CONTENT[:100], ["bytes=100-"]),
        (CONTENT, []),
        (CONTENT + b"x", [None]),
    ],
)
def test_only_what_is_missing_is_asked_for(
    tmp_path: Path, site: Site, web: Web, before: bytes | None, asked: list[str | None]
) -> None:
    """Nothing, a part, all, or too much may be there."""
    file = file_on(site)
    if before is not None:
        (tmp_path / file.digest.replace(":", "-")).write_bytes(before)
    target = tmp_path / "deep" / "file"
    fetch(web, file, target=target, incoming=tmp_path, progress=nothing)
    assert CONTENT == target.read_bytes()
    assert asked == [asked_for for _, asked_for in site.requests]
    assert ["deep"] == [path.name for path in tmp_path.iterdir()]


def test_an_empty_file_is_a_file(tmp_path: Path, site: Site, web: Web) -> None:
    """Of no bytes."""
    target = tmp_path / "file"
    fetch(web, file_on(site, b""), target=target, incoming=tmp_path, progress=nothing)
    assert b"" == target.read_bytes()


def test_begins_again_where_a_server_knows_no_ranges(
    tmp_path: Path, site: Site, web: Web
) -> None:
    """The first part is then thrown away, not kept in front of the whole."""
    site.knows_ranges = False
    site.budgets["/file"] = [1000]
    target = tmp_path / "file"
    fetch(web, file_on(site), target=target, incoming=tmp_path, progress=nothing)
    assert CONTENT == target.read_bytes()


def test_a_server_that_sends_too_much_is_refused(
    tmp_path: Path, site: Site, web: Web
) -> None:
    """No more is written than was promised."""
    file = file_on(site)
    site.contents["/file"] += b"more"
    with pytest.raises(PullError, match="sends more than"):
        fetch(web, file, target=tmp_path / "x", incoming=tmp_path, progress=nothing)
    assert all(path.stat().st_size <= file.bytes for path in tmp_path.iterdir())


def test_a_wrong_part_is_forgotten(tmp_path: Path, site: Site, web: Web) -> None:
    """The next attempt begins anew, and succeeds."""
    file = file_on(site)
    (tmp_path / file.digest.replace(":", "-")).write_bytes(b"x" * 100)
    target = tmp_path / "file"
    with pytest.raises(PullError, match="instead of sha256:"):
        fetch(web, file, target=target, incoming=tmp_path, progress=nothing)
    assert not target.exists()
    fetch(web, file, target=target, incoming=tmp_path, progress=nothing)
    assert CONTENT == target.read_bytes()


def test_progress_goes_up_to_the_size(tmp_path: Path, site: Site, web: Web) -> None:
    """Also over interruptions, after which the rest is asked for by range."""
    file = file_on(site)
    site.budgets["/file"] = [1000, 2000]
    sizes: list[int] = []
    fetch(
        web,
        file,
        target=tmp_path / "file",
        incoming=tmp_path,
        progress=lambda _name, done, _total: sizes.append(done),
    )
    assert sorted(sizes) == sizes
    assert len(CONTENT) == sizes[-1]
    assert [None, "bytes=1000-", "bytes=3000-"] == [each for _, each in site.requests]
