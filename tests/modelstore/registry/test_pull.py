"""A model comes whole and checked from a real server, or not at all."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

import pytest

from lsp_server.config import Device
from lsp_server.errors import (
    MidfillError,
    ModelIntegrityError,
    PullError,
    UnsafeModelError,
    UnsupportedModelError,
)
from lsp_server.modelstore.manifest import Quantisation, load_manifest
from lsp_server.modelstore.registry.catalogue import Entry
from lsp_server.modelstore.registry.pull import PullJob, find_local, pull
from lsp_server.modelstore.registry.transport import Web
from lsp_server.modelstore.verify import verify
from lsp_server.service.loaded_model import load_model

MakeEntry: TypeAlias = Callable[..., Entry]

COMMIT = "a" * 40
LATER = "b" * 40
WEIGHTS = "/model.safetensors"
EditConfig: TypeAlias = Callable[[Any], object]


class Site(Protocol):
    """What these tests use of the server."""

    address: str
    contents: dict[str, bytes]
    redirects: dict[str, str]
    budgets: dict[str, list[int]]
    requests: list[tuple[str, str | None]]
    knows_ranges: bool

    def offer(self, files: dict[str, bytes], *, commit: str = COMMIT) -> None: ...

    def ranges(self, ending: str) -> list[str | None]: ...


class Puller:
    """Pulls into one folder, and keeps what was said."""

    def __init__(self, root: Path, site: Site, web: Web, entry: Entry) -> None:
        self.job = PullJob(
            name="tiny", entry=entry, root=root, hub=site.address, base=""
        )
        self.web = web
        self.site = site
        self.said: list[str] = []
        self.progress: list[tuple[str, int, int]] = []

    def __call__(self, **changes: object) -> Path:
        job = replace(self.job, **changes)  # type: ignore[arg-type]  # as the tests write them
        return pull(
            job,
            self.web,
            say=self.said.append,
            progress=lambda *step: self.progress.append(step),
        )

    def left(self) -> list[str]:
        """Return what is in the folder of models, hidden files left out."""
        if not self.job.root.exists():
            return []
        return sorted(
            path.name
            for path in self.job.root.iterdir()
            if not path.name.startswith(".")
        )


@pytest.fixture
def puller(tmp_path: Path, site: Site, web: Web, make_entry: MakeEntry) -> Puller:
    """Return a puller of the small model into an empty folder."""
    return Puller(tmp_path / "models", site, web, make_entry())


@pytest.fixture
def offered(puller: Puller, repository: dict[str, bytes]) -> Puller:
    """Return a puller whose hub offers the small checkpoint."""
    puller.site.offer(repository)
    return puller


def weights_path(commit: str = COMMIT) -> str:
    """Return the path of the weights on the server."""
    return f"/maker/tiny-gptq/resolve/{commit}{WEIGHTS}"


def test_brings_a_whole_folder_with_a_manifest(
    offered: Puller, repository: dict[str, bytes]
) -> None:
    """Needed files alone, verified, described, and without the chat template."""
    folder = offered()
    manifest = load_manifest(folder)
    verify(folder, manifest)
    assert [
        "LICENSE",
        "config.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] == sorted(path.name for path in folder.iterdir())
    assert ("tiny", "qwen2.5-coder", "Qwen2ForCausalLM", 512, "float16") == (
        manifest.name,
        manifest.family,
        manifest.architecture,
        manifest.context_length,
        manifest.dtype,
    )
    assert "Apache-2.0" == manifest.licence
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    assert {"bos_token": "<s>"} == settings
    size = len(repository["model.safetensors"])
    assert ("model.safetensors", size, size) == offered.progress[-1]
    assert manifest.quantisation == Quantisation(
        method="gptq",
        bits=4,
        group_size=128,
        sym=True,
        desc_act=False,
        tool="not stated by the source",
    )
    assert (
        f"{offered.site.address}/maker/tiny-gptq@{COMMIT}" == manifest.provenance.source
    )
    weights = hashlib.sha256(repository["model.safetensors"]).hexdigest()
    assert weights == manifest.provenance.source_sha256
    assert ["pins.json", "tiny"] == offered.left()
    assert not (offered.job.root / ".tiny.unfinished").exists()


def test_pins_at_first_use_and_says_so(
    offered: Puller, repository: dict[str, bytes]
) -> None:
    """The next pull takes the pinned commit, though the hub has a newer one."""
    folder = offered()
    assert 1 == len(offered.said)
    assert f"pinned revision {COMMIT}, which no source had stated" in offered.said[0]
    shutil.rmtree(folder)
    newer = repository | {"LICENSE": b"other"}
    offered.site.offer(newer, commit=LATER)
    offered.site.offer(repository)
    offered.site.contents["/api/models/maker/tiny-gptq/revision/main"] = (
        offered.site.contents[f"/api/models/maker/tiny-gptq/revision/{LATER}"]
    )
    offered.said.clear()
    assert b"Apache" == (offered() / "LICENSE").read_bytes()
    assert [] == offered.said


def test_refuses_what_is_not_what_was_pinned(
    offered: Puller, repository: dict[str, bytes]
) -> None:
    """Another content under the pinned commit is an error that names the file."""
    shutil.rmtree(offered())
    offered.site.offer(repository | {"LICENSE": b"other"})
    with pytest.raises(PullError, match=r"pinned at the first pull \(LICENSE\)"):
        offered()
    assert ["pins.json"] == offered.left()


def test_is_there_already(offered: Puller) -> None:
    """A whole model is not asked for again."""
    first = offered()
    offered.site.requests.clear()
    assert first == offered()
    assert [] == offered.site.requests
    assert "already there" in offered.said[-1]


def test_a_damaged_model_is_reported(offered: Puller) -> None:
    """What is there but changed is neither used nor overwritten."""
    (offered() / "LICENSE").write_bytes(b"Apathy")
    with pytest.raises(ModelIntegrityError, match="LICENSE"):
        offered()


def test_goes_on_in_the_next_pull(offered: Puller) -> None:
    """A pull that was given up leaves nothing published, and loses nothing."""
    offered.site.budgets[weights_path()] = [1000, 0, 0, 0]
    with pytest.raises(PullError, match="broke off at 1,000 of"):
        offered()
    assert ["pins.json"] == offered.left()
    offered.site.requests.clear()
    offered()
    assert ["bytes=1000-"] == offered.site.ranges(WEIGHTS)
    assert [] == offered.site.ranges("/LICENSE")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"sha256": {"model.safetensors": "0" * 64}}, "in the registry 0000"),
        ({"group_size": 64}, "its group_size is 128, in the registry 64"),
        ({"bits": 8}, "its bits is 4, in the registry 8"),
        ({"desc_act": True}, "its desc_act is false, in the registry true"),
    ],
)
def test_the_registry_is_held_against_the_hub(
    offered: Puller, make_entry: MakeEntry, stated: dict[str, object], message: str
) -> None:
    """What the registry states and the hub contradicts is refused."""
    with pytest.raises(PullError, match=message):
        offered(entry=make_entry(**stated))
    assert "tiny" not in offered.left()


def test_a_stated_revision_is_asked_for(
    puller: Puller, site: Site, repository: dict[str, bytes], make_entry: MakeEntry
) -> None:
    """Then the newest is of no interest."""
    site.offer(repository, commit=LATER)
    puller(entry=make_entry(revision=LATER))
    assert f"/api/models/maker/tiny-gptq/revision/{LATER}" == site.requests[0][0]
    assert "as the registry states" in puller.said[0]


def with_config(repository: dict[str, bytes], change: EditConfig) -> dict[str, bytes]:
    """Change the checkpoint's config.json."""
    config = json.loads(repository["config.json"])
    change(config)
    return repository | {"config.json": json.dumps(config).encode()}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: c.update(auto_map={}), UnsafeModelError, "auto_map"),
        (lambda c: c.pop("quantization_config"), UnsupportedModelError, "quantised"),
        (
            lambda c: c["quantization_config"].update(desc_act=True),
            UnsupportedModelError,
            "desc_act",
        ),
        (lambda c: c.update(torch_dtype="float32"), UnsupportedModelError, "float32"),
        (lambda c: c.pop("architectures"), ModelIntegrityError, "no architecture"),
    ],
)
def test_refuses_a_bad_checkpoint_before_its_weights(
    puller: Puller,
    repository: dict[str, bytes],
    change: EditConfig,
    error: type[MidfillError],
    message: str,
) -> None:
    """What is unsafe or cannot be served is refused without a large download."""
    puller.site.offer(with_config(repository, change))
    with pytest.raises(error, match=message):
        puller()
    assert [] == puller.site.ranges(WEIGHTS)
    assert ["pins.json"] == puller.left()


def test_refuses_a_tokenizer_without_sentinels_before_the_weights(
    puller: Puller,
    site: Site,
    repository: dict[str, bytes],
    tokenizer_without_sentinels: bytes,
) -> None:
    """Such a model cannot fill in the middle, whatever the registry says."""
    site.offer(repository | {"tokenizer.json": tokenizer_without_sentinels})
    with pytest.raises(UnsupportedModelError, match="the tokenizer has no token"):
        puller()
    assert [] == site.ranges(WEIGHTS)


def test_the_server_takes_what_was_pulled(offered: Puller) -> None:
    """The same checks as at every start of the server pass."""
    loaded = load_model(str(offered()), Device.CPU)
    assert "qwen2.5-coder" == loaded.family.name


def test_a_checkpoint_without_a_fast_tokenizer_is_refused(
    puller: Puller, repository: dict[str, bytes]
) -> None:
    """Midfill reads tokenizer.json alone."""
    del repository["tokenizer.json"]
    puller.site.offer(repository)
    with pytest.raises(UnsupportedModelError, match=r"no tokenizer\.json"):
        puller()


def test_an_unwritable_folder_is_reported(puller: Puller, site: Site) -> None:
    """A file stands where the folder would have to be."""
    puller.job.root.parent.mkdir(exist_ok=True)
    puller.job.root.write_text("in the way")
    with pytest.raises(PullError, match="cannot be written"):
        puller()
    assert [] == site.requests


class DiskUsage(NamedTuple):
    """What ``shutil.disk_usage`` gives."""

    total: int
    used: int
    free: int


def test_too_small_a_disk_is_reported_before_anything_is_fetched(
    offered: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how much is needed."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: DiskUsage(1, 1, 0))
    with pytest.raises(PullError, match="bytes are needed, and 0 are free"):
        offered()
    assert [] == offered.site.ranges(WEIGHTS)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_disk_that_fills_up_is_reported(offered: Puller) -> None:
    """Writing fails half-way; nothing is published, and the next pull goes on."""
    offered.site.budgets[weights_path()] = [1000, 0, 0, 0]
    with pytest.raises(PullError):
        offered()
    (part,) = (
        path
        for path in (offered.job.root / ".tiny.unfinished" / "incoming").iterdir()
        if path.stat().st_size == 1000
    )
    part.unlink()
    part.symlink_to("/dev/full")
    with pytest.raises(PullError, match=r"No space left.*pull again"):
        offered()
    assert ["pins.json"] == offered.left()
    part.unlink()
    offered()


def test_one_pull_at_a_time(offered: Puller) -> None:
    """A second pull of the same model does not write into the first one's files."""
    tried: list[str] = []

    def again(_name: str, _done: int, _total: int) -> None:
        if not tried:
            with pytest.raises(PullError, match="another process"):
                pull(offered.job, offered.web, say=tried.append, progress=again)
            tried.append("once")

    pull(offered.job, offered.web, say=lambda _said: None, progress=again)
    assert ["once"] == tried


@pytest.mark.parametrize("name", ["", "../x", ".hidden"])
def test_a_name_that_is_a_path_is_refused(puller: Puller, name: str) -> None:
    """Names are names of folders inside the folder of models."""
    with pytest.raises(PullError, match="plain name"):
        find_local(replace(puller.job, name=name))


def serve_folder(site: Site, folder: Path) -> None:
    """Serve a model folder with its manifest below ``/shared``."""
    for path in folder.iterdir():
        site.contents[f"/shared/{path.name}"] = path.read_bytes()


def test_a_model_without_a_checkpoint_is_reported(puller: Puller) -> None:
    """With the two ways that remain."""
    entry = puller.job.entry
    assert entry is not None
    with pytest.raises(PullError, match=r"no checkpoint .* Name a folder on the web"):
        puller(entry=replace(entry, checkpoint=None))


def test_what_another_pull_left_is_not_published(offered: Puller) -> None:
    """Files of the hidden folder that the source does not list go."""
    left = offered.job.root / ".tiny.unfinished" / "model"
    left.mkdir(parents=True)
    (left / "merges.txt").write_text("old")
    (left / "LICENSE").symlink_to("/etc/passwd")
    folder = offered()
    assert not (folder / "merges.txt").exists()
    assert not (folder / "LICENSE").is_symlink()
    assert b"Apache" == (folder / "LICENSE").read_bytes()


def test_a_folder_with_a_manifest_needs_no_registry(
    puller: Puller, site: Site, mirrored_folder: Path
) -> None:
    """It comes byte for byte, and its manifest is the pin."""
    serve_folder(site, mirrored_folder)
    folder = puller(base=f"{site.address}/shared/", entry=None)
    assert {path.name: path.read_bytes() for path in mirrored_folder.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    revision = hashlib.sha256((mirrored_folder / "manifest.json").read_bytes())
    assert f"pinned revision {revision.hexdigest()}" in puller.said[0]


def test_a_folder_that_changes_its_manifest_is_refused(
    puller: Puller, site: Site, mirrored_folder: Path
) -> None:
    """A mirror cannot put another model in the place of the pinned one."""
    serve_folder(site, mirrored_folder)
    base = f"{site.address}/shared"
    shutil.rmtree(puller(base=base, entry=None))
    site.contents["/shared/manifest.json"] += b"\n"
    with pytest.raises(PullError, match="something else than what was pinned"):
        puller(base=base, entry=None)


def test_a_folder_of_another_family_is_refused(
    puller: Puller, site: Site, mirrored_folder: Path
) -> None:
    """A name of the registry keeps the registry's family."""
    serve_folder(site, mirrored_folder)
    with pytest.raises(PullError, match='its family is "midfill", in the registry'):
        puller(base=f"{site.address}/shared")


@pytest.mark.parametrize("name", ["evil.py", "weights.bin", "chat_template.jinja"])
def test_a_folder_with_code_is_refused(
    puller: Puller, site: Site, mirrored_folder: Path, name: str
) -> None:
    """The safety checks of any other folder hold here too."""
    serve_folder(site, mirrored_folder)
    content = b"import os"
    site.contents[f"/shared/{name}"] = content
    manifest = json.loads(site.contents["/shared/manifest.json"])
    manifest["files"][name] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    site.contents["/shared/manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(UnsafeModelError, match=name):
        puller(base=f"{site.address}/shared", entry=None)
    assert [] == site.ranges(WEIGHTS)
    assert ["pins.json"] == puller.left()
