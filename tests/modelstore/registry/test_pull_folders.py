"""A folder that is served as it is comes whole and safe, with its own manifest."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from hub_puller import WEIGHTS, Puller, Site

from lsp_server.errors import (
    PullError,
    UnsafeModelError,
)


def serve_folder(site: Site, folder: Path) -> None:
    """Serve a model folder with its manifest below ``/shared``."""
    for path in folder.iterdir():
        site.contents[f"/shared/{path.name}"] = path.read_bytes()


def test_a_folder_with_a_manifest_needs_no_registry(
    hub_puller: Puller, site: Site, mirrored_folder: Path
) -> None:
    """It comes byte for byte, and its manifest is the pin."""
    serve_folder(site, mirrored_folder)
    folder = hub_puller(base=f"{site.address}/shared/", entry=None)
    assert {path.name: path.read_bytes() for path in mirrored_folder.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    revision = hashlib.sha256((mirrored_folder / "manifest.json").read_bytes())
    assert f"pinned revision {revision.hexdigest()}" in hub_puller.said[0]


def test_a_folder_that_changes_its_manifest_is_refused(
    hub_puller: Puller, site: Site, mirrored_folder: Path
) -> None:
    """A mirror cannot put another model in the place of the pinned one."""
    serve_folder(site, mirrored_folder)
    base = f"{site.address}/shared"
    shutil.rmtree(hub_puller(base=base, entry=None))
    site.contents["/shared/manifest.json"] += b"\n"
    with pytest.raises(PullError, match="something else than what was pinned"):
        hub_puller(base=base, entry=None)


def test_a_folder_of_another_family_is_refused(
    hub_puller: Puller, site: Site, mirrored_folder: Path
) -> None:
    """A name of the registry keeps the registry's family."""
    serve_folder(site, mirrored_folder)
    with pytest.raises(PullError, match='its family is "midfill", in the registry'):
        hub_puller(base=f"{site.address}/shared")


@pytest.mark.parametrize("name", ["evil.py", "weights.bin", "chat_template.jinja"])
def test_a_folder_with_code_is_refused(
    hub_puller: Puller, site: Site, mirrored_folder: Path, name: str
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
        hub_puller(base=f"{site.address}/shared", entry=None)
    assert [] == site.ranges(WEIGHTS)
    assert ["pins.json"] == hub_puller.left()
