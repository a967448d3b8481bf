"""What changes during a pull, behind a server's back, or without a signature."""

import itertools
import shutil
from pathlib import Path

import pytest
from folder_puller import WEIGHTS, Puller, Site, Versions, offer

from lsp_server.config import Device
from lsp_server.errors import MidfillError, ModelIntegrityError, PullError
from lsp_server.modelstore.locate import previous_folder
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.signature import Trust, signed
from lsp_server.modelstore.signing_key import SigningKey
from lsp_server.service.loaded_model import load_model, where_it_is_now


@pytest.mark.parametrize("update", [False, True])
def test_a_model_replaced_meanwhile_is_fetched_anew(
    fresh: Puller, site: Site, versions: Versions, *, update: bool
) -> None:
    """The old manifest and the new weights are never put together."""
    fresh.on_progress = lambda _name: offer(site, versions.new)
    fresh(update=update)
    assert b"newer" == fresh.licence
    assert any("was changed meanwhile" in said for said in fresh.said)
    fresh()


def test_a_pinned_model_replaced_meanwhile_is_an_error(
    fresh: Puller, site: Site, versions: Versions
) -> None:
    """Only the pinned one will do."""
    shutil.rmtree(fresh())
    fresh.on_progress = lambda _name: offer(site, versions.new)
    with pytest.raises(PullError, match="instead of"):
        fresh()
    assert not fresh.folder.exists()


def test_a_model_replaced_without_end_is_an_error(
    fresh: Puller, site: Site, versions: Versions
) -> None:
    """It ends."""
    # Of the small files the licence alone is another one each time, and its progress is
    # reported twice.
    turns = itertools.cycle([versions.new] * 2 + [versions.old] * 2)

    def turn(name: str) -> None:
        if name == "LICENSE":
            offer(site, next(turns))

    fresh.on_progress = turn
    with pytest.raises(PullError, match="again and again"):
        fresh()
    assert not fresh.folder.exists()


def test_a_server_goes_on_with_its_model(puller: Puller) -> None:
    """Its engine is started again from the folder that holds that model now."""
    loaded = load_model(str(puller.folder), Device.CPU)
    assert loaded == where_it_is_now(loaded)
    puller(update=True)
    moved = where_it_is_now(loaded)
    assert previous_folder(puller.folder) == moved.folder
    assert puller.folder.name == moved.folder.name
    assert loaded.manifest == load_manifest(moved.folder)
    shutil.rmtree(moved.folder)
    with pytest.raises(ModelIntegrityError, match="another model has taken the place"):
        where_it_is_now(loaded)


def test_only_a_signed_model_is_pulled(
    puller: Puller, site: Site, versions: Versions, tmp_path: Path
) -> None:
    """Before a file of it is fetched; its signature lies beside it afterwards."""
    key = SigningKey.make(tmp_path / "key.pem")
    trust = Trust(keys=frozenset({key.public}), required=True)
    with pytest.raises(MidfillError, match="it is not signed"):
        puller(trust=trust)
    with pytest.raises(MidfillError, match="it is not signed"):
        puller(trust=trust, update=True)
    old, new = (signed(files["manifest.json"], key) for files in versions)
    site.contents["/m/manifest.sig"] = old
    with pytest.raises(MidfillError, match="not that of this manifest"):
        puller(trust=trust, update=True)
    assert {"/m/manifest.json", "/m/manifest.sig"} == {
        path for path, _ in site.requests
    }
    assert b"old" == puller.licence
    site.contents["/m/manifest.sig"] = new
    puller(trust=trust, update=True)
    trust.check_folder(puller.folder)
    assert b"newer" == puller.licence


def test_a_signature_comes_without_the_model(
    puller: Puller, site: Site, versions: Versions, tmp_path: Path
) -> None:
    """What was there before anybody signed it is not fetched again."""
    key = SigningKey.make(tmp_path / "key.pem")
    offer(site, versions.old)
    site.contents["/m/manifest.sig"] = signed(versions.old["manifest.json"], key)
    puller(trust=Trust(keys=frozenset({key.public})), update=True)
    Trust(keys=frozenset({key.public}), required=True).check_folder(puller.folder)
    assert [] == site.ranges(WEIGHTS)
