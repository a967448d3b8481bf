"""What cannot be pulled or kept is refused early, and leaves nothing."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest
from hub_puller import WEIGHTS, Puller, Site, weights_path

from lsp_server.errors import (
    MidfillError,
    ModelIntegrityError,
    PullError,
    UnsafeModelError,
    UnsupportedModelError,
)
from lsp_server.modelstore.registry.pull import find_local, pull

EditConfig: TypeAlias = Callable[[Any], object]


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
    hub_puller: Puller,
    repository: dict[str, bytes],
    change: EditConfig,
    error: type[MidfillError],
    message: str,
) -> None:
    """What is unsafe or cannot be served is refused without a large download."""
    hub_puller.site.offer(with_config(repository, change))
    with pytest.raises(error, match=message):
        hub_puller()
    assert [] == hub_puller.site.ranges(WEIGHTS)
    assert ["pins.json"] == hub_puller.left()


def test_refuses_a_tokenizer_without_sentinels_before_the_weights(
    hub_puller: Puller,
    site: Site,
    repository: dict[str, bytes],
    tokenizer_without_sentinels: bytes,
) -> None:
    """Such a model cannot fill in the middle, whatever the registry says."""
    site.offer(repository | {"tokenizer.json": tokenizer_without_sentinels})
    with pytest.raises(UnsupportedModelError, match="the tokenizer has no token"):
        hub_puller()
    assert [] == site.ranges(WEIGHTS)


def test_a_checkpoint_without_a_fast_tokenizer_is_refused(
    hub_puller: Puller, repository: dict[str, bytes]
) -> None:
    """Midfill reads tokenizer.json alone."""
    del repository["tokenizer.json"]
    hub_puller.site.offer(repository)
    with pytest.raises(UnsupportedModelError, match=r"no tokenizer\.json"):
        hub_puller()


def test_an_unwritable_folder_is_reported(hub_puller: Puller, site: Site) -> None:
    """A file stands where the folder would have to be."""
    hub_puller.job.root.parent.mkdir(exist_ok=True)
    hub_puller.job.root.write_text("in the way")
    with pytest.raises(PullError, match="cannot be written"):
        hub_puller()
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
def test_a_name_that_is_a_path_is_refused(hub_puller: Puller, name: str) -> None:
    """Names are names of folders inside the folder of models."""
    with pytest.raises(PullError, match="plain name"):
        find_local(replace(hub_puller.job, name=name))


def test_a_model_without_a_checkpoint_is_reported(hub_puller: Puller) -> None:
    """With the two ways that remain."""
    entry = hub_puller.job.entry
    assert entry is not None
    with pytest.raises(PullError, match=r"no checkpoint .* Name a folder on the web"):
        hub_puller(entry=replace(entry, checkpoint=None))
