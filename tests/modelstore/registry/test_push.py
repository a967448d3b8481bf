"""A model goes into a store whole and last described, and over no other one."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lsp_server.errors import MidfillError, ModelError, PullError, UnsafeModelError
from lsp_server.modelstore.manifest import FileEntry
from lsp_server.modelstore.registry.push import PushJob, push
from lsp_server.modelstore.registry.transport import Progress
from lsp_server.modelstore.signature import Trust, signed
from lsp_server.modelstore.signing_key import SigningKey

BASE = "s3://models/tiny"
Files = Mapping[str, bytes]


@dataclass
class Shelf:
    """A store in memory, how it fails, and what was done to it.

    Attributes:
        objects: Address to content.
        done: Every change, in order.
        most: How many changes succeed.
        lies: Endings of addresses that it keeps something else under.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    most: int = 1000
    lies: tuple[str, ...] = ()

    def find(self, address: str) -> bytes | None:
        return self.objects.get(address)

    def stored(self, address: str) -> FileEntry | None:
        content = self.objects.get(address)
        if content is None:
            return None
        sha256 = hashlib.sha256(content).hexdigest()
        return FileEntry(sha256=sha256, bytes=len(content))

    def upload(
        self, path: Path, address: str, entry: FileEntry, progress: Progress
    ) -> None:
        self.put(address, path.read_bytes())
        progress(path.name, entry.bytes, entry.bytes)

    def put(self, address: str, content: bytes) -> None:
        self._change(f"put {address.removeprefix(BASE)}")
        is_lie = bool(self.lies) and address.endswith(self.lies)
        self.objects[address] = b"something else" if is_lie else content

    def remove(self, address: str) -> None:
        self._change(f"remove {address.removeprefix(BASE)}")
        self.objects.pop(address, None)

    def _change(self, what: str) -> None:
        if len(self.done) == self.most:
            raise PullError("the connection is gone", subject="store", remedy="again")
        self.done.append(what)


@pytest.fixture
def shelf() -> Shelf:
    """Return an empty store."""
    return Shelf()


@pytest.fixture
def job(model_folder: Path) -> PushJob:
    """Return the push of a whole model."""
    return PushJob(
        folder=model_folder, base=BASE, signature=None, trust=Trust(), replace=False
    )


def run(job: PushJob, shelf: Shelf) -> list[str]:
    """Push, and return what was said."""
    said: list[str] = []
    push(job, shelf, say=said.append, progress=lambda *_step: None)
    return said


def as_stored(folder: Path) -> Files:
    """Return what the store holds of a folder that was pushed."""
    return {f"{BASE}/{path.name}": path.read_bytes() for path in folder.iterdir()}


def test_the_manifest_goes_last(job: PushJob, shelf: Shelf) -> None:
    """And the weights before it: the smallest files come first."""
    assert [f"tiny is in {BASE}"] == run(replace(job, base=f"{BASE}/"), shelf)
    assert as_stored(job.folder) == shelf.objects
    assert ["put /model.safetensors", "put /manifest.json"] == shelf.done[-2:]


def test_what_broke_off_is_no_model_and_goes_on(job: PushJob, shelf: Shelf) -> None:
    """Wherever it breaks off, and nothing that is there is sent again."""
    for most in range(4):
        shelf.most = most
        with pytest.raises(PullError, match="the connection is gone"):
            run(job, shelf)
        assert f"{BASE}/manifest.json" not in shelf.objects
    shelf.most = 1000
    run(job, shelf)
    assert as_stored(job.folder) == shelf.objects
    assert len(set(shelf.done)) == len(shelf.done)


def test_pushing_again_sends_nothing(job: PushJob, shelf: Shelf) -> None:
    """Nor does it ask for --replace."""
    run(job, shelf)
    shelf.done.clear()
    assert [f"tiny is already in {BASE}, and whole"] == run(job, shelf)
    assert [] == shelf.done


def test_pushing_again_mends_what_was_lost(job: PushJob, shelf: Shelf) -> None:
    """A file that somebody has removed from the store, or changed there."""
    run(job, shelf)
    del shelf.objects[f"{BASE}/config.json"]
    shelf.objects[f"{BASE}/model.safetensors"] += b"."
    run(job, shelf)
    assert as_stored(job.folder) == shelf.objects


def test_another_model_is_replaced_if_that_is_asked_for(
    job: PushJob, shelf: Shelf
) -> None:
    """Its manifest goes first, its own files last; its neighbours stay."""
    names = ("old.safetensors", "../../x", "manifest.json", "config.json")
    files: dict[str, object] = dict.fromkeys(names)
    other = json.dumps({"name": "other", "files": files}).encode()
    neighbour = "s3://models/other/manifest.json"
    kept = {neighbour: b"{}", "s3://models/x": b"x"}
    shelf.objects = {
        f"{BASE}/manifest.json": other,
        f"{BASE}/manifest.sig": b"old",
        f"{BASE}/old.safetensors": b"old",
        **kept,
    }
    before = dict(shelf.objects)
    with pytest.raises(
        PullError, match=r"another model is there already, 'other'.*--re"
    ):
        run(job, shelf)
    assert before == shelf.objects
    run(replace(job, replace=True), shelf)
    assert {**as_stored(job.folder), **kept} == shelf.objects
    assert "remove /manifest.json" == shelf.done[0]
    assert shelf.done.index("put /manifest.json") == len(shelf.done) - 2


@pytest.mark.parametrize("manifest", [b"", b"[" * 9999, b"[]", b'{"files": 1}'])
def test_what_is_no_manifest_is_replaced_too(
    job: PushJob, shelf: Shelf, manifest: bytes
) -> None:
    """Whatever lies there under that name."""
    shelf.objects[f"{BASE}/manifest.json"] = manifest
    with pytest.raises(PullError, match="another model is there already"):
        run(job, shelf)
    run(replace(job, replace=True), shelf)
    assert as_stored(job.folder) == shelf.objects


def test_a_store_that_keeps_something_else_is_found_out(
    job: PushJob, shelf: Shelf
) -> None:
    """Before the manifest says that the model is there."""
    shelf.lies = ("model.safetensors",)
    with pytest.raises(PullError, match="does not hold what was sent"):
        run(job, shelf)
    assert f"{BASE}/manifest.json" not in shelf.objects


def write(name: str, content: str) -> Callable[[Path], object]:
    """Return what writes a file into a folder."""
    return lambda folder: (folder / name).write_text(content)


BAD: Mapping[str, Callable[[Path], object]] = {
    "can hold a pickle": write("pytorch_model.bin", "x"),
    "is code": write("modeling.py", "x"),
    "is a symbolic link": lambda folder: (folder / "x.json").symlink_to("/etc/passwd"),
    "is a chat template": write("chat_template.json", "{}"),
    "has the key 'chat_template'": write(
        "tokenizer_config.json", '{"chat_template": 1}'
    ),
    "has the key 'auto_map'": write("config.json", '{"auto_map": {}}'),
    "is not in the manifest": write("more.txt", "x"),
    "has 3 bytes instead of": write("model.safetensors", "abc"),
    "is missing": lambda folder: (folder / "tokenizer.json").unlink(),
    "lies outside of the folder": lambda folder: (folder / "manifest.json").write_text(
        (folder / "manifest.json").read_text().replace("config.json", "../config.json")
    ),
    "has no manifest": lambda folder: (folder / "manifest.json").unlink(),
}


@pytest.mark.parametrize(("message", "spoil"), BAD.items(), ids=BAD)
def test_what_would_not_be_loaded_is_not_pushed(
    job: PushJob, shelf: Shelf, message: str, spoil: Callable[[Path], object]
) -> None:
    """Nothing of it reaches the store."""
    spoil(job.folder)
    with pytest.raises(ModelError, match=message):
        run(job, shelf)
    assert [] == shelf.done


@pytest.mark.parametrize(
    "base", ["s3://models", "s3://models/", "https://models/tiny", "tiny", ""]
)
def test_an_address_that_is_no_folder_is_refused(
    job: PushJob, shelf: Shelf, base: str
) -> None:
    """A bucket's root is no place for a model: what else is there would mix with it."""
    with pytest.raises(PullError, match="not that of a folder in a bucket"):
        run(replace(job, base=base), shelf)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """Return a new key pair."""
    return SigningKey.make(tmp_path / "key.pem")


def test_the_signature_goes_before_the_manifest(
    job: PushJob, shelf: Shelf, key: SigningKey
) -> None:
    """It is brought up to date alone, and stays if somebody pushes without one."""
    run(job, shelf)
    signature = signed((job.folder / "manifest.json").read_bytes(), key)
    shelf.done.clear()
    run(replace(job, signature=signature), shelf)
    assert ["put /manifest.sig", "put /manifest.json"] == shelf.done
    run(job, shelf)
    assert signature == shelf.objects[f"{BASE}/manifest.sig"]


def test_what_is_required_here_is_required_of_a_push(
    job: PushJob, shelf: Shelf, key: SigningKey
) -> None:
    """Who would not load an unsigned model does not publish one."""
    trusting = replace(job, trust=Trust(keys=frozenset({key.public}), required=True))
    refused: type[MidfillError] = UnsafeModelError
    with pytest.raises(refused, match="it is not signed"):
        run(trusting, shelf)
    assert [] == shelf.done
    signature = signed((job.folder / "manifest.json").read_bytes(), key)
    run(replace(trusting, signature=signature), shelf)
