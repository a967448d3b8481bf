"""A listing is taken only in a form that a source is known to have, and is pinned."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from lsp_server.errors import ModelIntegrityError, PullError, UnsafeModelError
from lsp_server.modelstore.registry.assemble import file_digest
from lsp_server.modelstore.registry.listing import (
    Listing,
    RemoteFile,
    list_folder,
    list_hub,
)
from lsp_server.modelstore.registry.pins import Pins, require_same
from lsp_server.modelstore.registry.transport import Web

HUB_ID = "maker/tiny-gptq"
API = f"/api/models/{HUB_ID}/revision/main"


class Site(Protocol):
    """What these tests use of the server."""

    address: str
    contents: dict[str, bytes]

    def offer(self, files: dict[str, bytes]) -> None: ...


def test_lists_what_a_model_needs(
    site: Site, web: Web, repository: dict[str, bytes]
) -> None:
    """With address, size and digest, at the commit."""
    site.offer(repository)
    listing = list_hub(web, site.address, HUB_ID, None)
    names = {file.name for file in listing.files}
    assert repository.keys() - {".gitattributes", "README.md"} == names
    (weights,) = (file for file in listing.files if file.is_weights)
    content = repository["model.safetensors"]
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == weights.digest
    assert len(content) == weights.bytes
    commit = "a" * 40
    assert f"{site.address}/{HUB_ID}/resolve/{commit}/model.safetensors" == (
        weights.address
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer.pop("sha"),
        lambda answer: answer.update(sha="main"),
        lambda answer: answer.update(siblings={}),
        lambda answer: answer["siblings"][0].pop("blobId"),
        lambda answer: answer["siblings"][0].update(size="1"),
        lambda answer: answer["siblings"][0].update(blobId="../x"),
        lambda answer: answer["siblings"][1]["lfs"].update(sha256="x"),
    ],
    ids=["no sha", "sha", "siblings", "no blob", "size", "blob", "sha256"],
)
def test_a_strange_answer_is_reported(
    site: Site,
    web: Web,
    repository: dict[str, bytes],
    change: Callable[[dict[str, object]], object],
) -> None:
    """Nothing is guessed."""
    site.offer({n: repository[n] for n in ("config.json", "model.safetensors")})
    answer = json.loads(site.contents[API])
    change(answer)
    site.contents[API] = json.dumps(answer).encode()
    with pytest.raises(PullError, match="does not describe a model"):
        list_hub(web, site.address, HUB_ID, None)


@pytest.mark.parametrize(
    "name", ["../config.json", "a/b.safetensors", "x.py", "pytorch_model.bin"]
)
def test_other_names_are_left_on_the_hub(
    site: Site, web: Web, repository: dict[str, bytes], name: str
) -> None:
    """Paths, code and pickles."""
    site.offer(repository | {name: b"x"})
    listing = list_hub(web, site.address, HUB_ID, None)
    assert name not in {file.name for file in listing.files}


def test_a_repository_of_pickles_alone_is_refused(site: Site, web: Web) -> None:
    """Weights that can run code are no weights."""
    site.offer({"config.json": b"{}", "pytorch_model.bin": b"x"})
    with pytest.raises(PullError, match="no safetensors"):
        list_hub(web, site.address, HUB_ID, None)


@pytest.mark.parametrize("name", ["../x", "manifest.json", "/etc/x"])
def test_a_folder_cannot_reach_outside(site: Site, web: Web, name: str) -> None:
    """A listed name that leaves the folder is refused before anything is written."""
    manifest = {"files": {name: {"sha256": "0" * 64, "bytes": 1}}}
    site.contents["/m/manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(UnsafeModelError, match="no file of the folder"):
        list_folder(web, f"{site.address}/m/")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}"])
def test_what_is_no_manifest_is_reported(site: Site, web: Web, content: bytes) -> None:
    """Any other document at the address is an error, not a traceback."""
    site.contents["/m/manifest.json"] = content
    with pytest.raises(PullError, match="the answer"):
        list_folder(web, f"{site.address}/m")


@pytest.mark.parametrize(
    "entry", [1, {}, {"sha256": "x", "bytes": 1}, {"sha256": "0" * 64}]
)
def test_a_strange_manifest_is_reported(site: Site, web: Web, entry: object) -> None:
    """Of a folder on the web."""
    manifest = {"files": {"config.json": entry}}
    site.contents["/m/manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(PullError, match="does not describe a model"):
        list_folder(web, f"{site.address}/m")


@pytest.mark.parametrize("content", [b"", b"some\ntext", bytes(3_000_000)])
def test_digests_are_gits_and_sha256sums(tmp_path: Path, content: bytes) -> None:
    """As git names a blob, and as everybody hashes a file."""
    path = tmp_path / "file"
    path.write_bytes(content)
    blob = subprocess.run(
        ["git", "hash-object", "--stdin"],
        input=content,
        capture_output=True,
        check=True,
    )
    assert f"git:{blob.stdout.decode().strip()}" == file_digest(path, "git:")
    sha256 = hashlib.sha256(content).hexdigest()
    assert f"sha256:{sha256}" == file_digest(path, "sha256:")


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
def test_a_wrong_pin_file_is_reported(
    tmp_path: Path, content: str, error: type[Exception]
) -> None:
    """Pins are not silently forgotten."""
    (tmp_path / "pins.json").write_text(content)
    with pytest.raises(error):
        Pins(tmp_path).find("tiny", "x")
