"""A model comes whole and checked from a real server, or not at all."""

import hashlib
import json
import shutil

import pytest
from hub_puller import COMMIT, WEIGHTS, MakeEntry, Puller, Site, weights_path

from lsp_server.config import Device
from lsp_server.errors import (
    ModelIntegrityError,
    PullError,
)
from lsp_server.modelstore.manifest import Quantisation, load_manifest
from lsp_server.modelstore.verify import verify
from lsp_server.service.loaded_model import load_model

LATER = "b" * 40


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
    hub_puller: Puller, site: Site, repository: dict[str, bytes], make_entry: MakeEntry
) -> None:
    """Then the newest is of no interest."""
    site.offer(repository, commit=LATER)
    hub_puller(entry=make_entry(revision=LATER))
    assert f"/api/models/maker/tiny-gptq/revision/{LATER}" == site.requests[0][0]
    assert "as the registry states" in hub_puller.said[0]


def test_the_server_takes_what_was_pulled(offered: Puller) -> None:
    """The same checks as at every start of the server pass."""
    loaded = load_model(str(offered()), Device.CPU)
    assert "qwen2.5-coder" == loaded.family.name


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
