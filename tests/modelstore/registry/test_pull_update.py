"""A newer model takes the older one's place whole, or the older one stays."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from folder_puller import WEIGHTS, Puller, Site, Versions, offer

from lsp_server.errors import MidfillError, ModelIntegrityError, PullError
from lsp_server.modelstore.locate import previous_folder
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.verify import verify


def test_what_is_there_is_not_asked_for(puller: Puller, site: Site) -> None:
    """Without --update nobody is asked, whatever the source has now."""
    assert puller.folder == puller()
    assert (b"old", []) == (puller.licence, site.requests)


def test_an_update_swaps_the_new_model_in(puller: Puller, site: Site) -> None:
    """The old one stays aside, whole; the new one is pinned, and fetched once."""
    puller(update=True)
    assert b"newer" == puller.licence
    older = previous_folder(puller.folder)
    verify(older, load_manifest(older))
    assert b"old" == (older / "LICENSE").read_bytes()
    site.requests.clear()
    puller(update=True)
    assert [("/m/manifest.json", None)] == site.requests
    assert "is there already, as" in puller.said[-1]
    site.requests.clear()
    puller()
    assert [] == site.requests


def test_the_one_before_the_previous_one_goes(
    puller: Puller, site: Site, versions: Versions
) -> None:
    """So a volume needs room for two."""
    puller(update=True)
    offer(site, versions.old)
    puller(update=True)
    older = previous_folder(puller.folder)
    assert b"newer" == (older / "LICENSE").read_bytes()
    assert b"old" == puller.licence
    assert {".previous", "tiny", "pins.json"} == {
        path.name for path in puller.folder.parent.iterdir()
    }


def truncate(site: Site) -> None:
    """Have the source break off in the middle of the weights, again and again."""
    site.budgets[f"/m/{WEIGHTS}"] = [30, 0, 0, 0]


def shorten(site: Site) -> None:
    """Have the source hold half a shard, as a broken copy does."""
    site.contents[f"/m/{WEIGHTS}"] = site.contents[f"/m/{WEIGHTS}"][:50]


def forge(site: Site) -> None:
    """Have the source hold other weights of the same size."""
    site.contents[f"/m/{WEIGHTS}"] = b"x" * len(site.contents[f"/m/{WEIGHTS}"])


def lengthen(site: Site) -> None:
    """Have the source hold more than it says."""
    site.contents[f"/m/{WEIGHTS}"] += b"x"


def lose(site: Site) -> None:
    """Have the source miss a file that its manifest names."""
    del site.contents[f"/m/{WEIGHTS}"]


def poison(site: Site) -> None:
    """Have the source describe a file of code."""
    manifest = json.loads(site.contents["/m/manifest.json"])
    manifest["files"]["evil.py"] = {"sha256": "0" * 64, "bytes": 0}
    site.contents["/m/manifest.json"] = json.dumps(manifest).encode()
    site.contents["/m/evil.py"] = b""


def vanish(site: Site) -> None:
    """Have the source vanish."""
    site.contents.clear()


FAULTS = [truncate, shorten, forge, lengthen, lose, poison, vanish]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_update_leaves_the_model_that_is_there(
    puller: Puller, site: Site, versions: Versions, fault: Callable[[Site], None]
) -> None:
    """Whole, pinned and found without the source; the next update succeeds."""
    fault(site)
    with pytest.raises(MidfillError):
        puller(update=True)
    assert b"old" == puller.licence
    assert puller.folder == puller()
    site.budgets.clear()
    offer(site, versions.new)
    puller(update=True)
    assert b"newer" == puller.licence


class DiskUsage(NamedTuple):
    """What ``shutil.disk_usage`` gives."""

    total: int
    used: int
    free: int


def test_a_full_disk_leaves_the_model_that_is_there(
    puller: Puller, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an update needs is known before anything of it is fetched."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: DiskUsage(1, 1, 0))
    with pytest.raises(PullError, match="bytes are needed, and 0 are free"):
        puller(update=True)
    assert [] == site.ranges(WEIGHTS)
    assert b"old" == puller.licence


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_disk_that_fills_up_leaves_the_model_that_is_there(
    puller: Puller, versions: Versions
) -> None:
    """In the middle of the weights; the next update goes on."""
    digest = hashlib.sha256(versions.new[WEIGHTS]).hexdigest()
    part = puller.folder.parent / ".tiny.unfinished" / "incoming" / f"sha256-{digest}"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(PullError, match=r"No space left.*pull again"):
        puller(update=True)
    assert b"old" == puller.licence
    part.unlink()
    puller(update=True)
    assert b"newer" == puller.licence


def test_a_swap_that_fails_is_taken_back(
    puller: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of the two renames may fail; the process may end before it, too."""
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.parent.name == ".tiny.unfinished":
            raise OSError(5, "Input/output error", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PullError, match="Input/output error"):
        puller(update=True)
    assert b"old" == puller.licence
    monkeypatch.undo()
    puller.folder.rename(previous_folder(puller.folder))
    assert puller.folder == puller()
    assert b"old" == puller.licence


def test_a_damaged_model_is_fetched_again(puller: Puller, site: Site) -> None:
    """By an update; else it is an error, as before."""
    (puller.folder / "LICENSE").write_bytes(b"odd")
    with pytest.raises(ModelIntegrityError, match="LICENSE"):
        puller()
    assert [] == site.requests
    puller(update=True)
    assert b"newer" == puller.licence
    assert "cannot be used, and is fetched again" in puller.said[0]


def test_another_model_of_the_name_is_not_replaced_by_the_way(
    puller: Puller, site: Site
) -> None:
    """From another address, or from this one when the pins are lost."""
    site.contents |= {
        path.replace("/m/", "/n/"): content for path, content in site.contents.items()
    }
    elsewhere = f"{site.address}/n"
    for _ in range(2):
        with pytest.raises(PullError, match=r"another model of this name.*--up"):
            puller(base=elsewhere)
    (puller.folder.parent / "pins.json").unlink()
    with pytest.raises(PullError, match="another model of this name is there"):
        puller()
    assert b"old" == puller.licence
    puller(base=elsewhere, update=True)
    assert b"newer" == puller.licence


def test_the_same_model_at_another_address_is_the_same(
    puller: Puller, site: Site, versions: Versions
) -> None:
    """It is pinned there too, and not fetched."""
    site.contents = {f"/n/{name}": content for name, content in versions.old.items()}
    puller(base=f"{site.address}/n")
    assert [("/n/manifest.json", None)] == site.requests
