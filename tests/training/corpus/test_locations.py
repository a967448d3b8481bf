"""Sources are recognised by what they are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from training.corpus.locations import Kind, Location, find_locations


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a-1.0-py3-none-any.whl", Kind.WHEEL),
        ("a-1.0.tar.gz", Kind.TAR),
        ("a-1.0.tgz", Kind.TAR),
        ("a-1.0.zip", Kind.ZIP),
        ("A-1.0.ZIP", Kind.ZIP),
    ],
)
def test_knows_archives(tmp_path: Path, name: str, kind: Kind) -> None:
    """An archive is known by its name, named itself or found in a folder."""
    archive = tmp_path / "deep" / "folder" / name
    archive.parent.mkdir(parents=True)
    archive.touch()
    expected = (Location(archive, kind),)
    assert expected == find_locations([archive])
    assert expected == find_locations([tmp_path])


def test_knows_installed_packages(write_installed: Callable[..., Path]) -> None:
    """A site-packages folder holds the packages whose metadata lies there."""
    infos = [write_installed(name, {}) for name in ("alpha", "beta")]
    found = find_locations([infos[0].parent])
    assert tuple(Location(info, Kind.INSTALLED) for info in infos) == found


@pytest.mark.parametrize("name", ["pyproject.toml", "PKG-INFO", "LICENSE", "COPYING"])
def test_knows_projects(write_folder: Callable[..., Path], name: str) -> None:
    """A folder with a project's file is one package."""
    folder = write_folder("project", {name: "", "a.py": ""})
    assert (Location(folder, Kind.FOLDER),) == find_locations([folder])


def test_counts_a_source_once(write_wheel: Callable[..., Path]) -> None:
    """An archive that is named twice, or also found in its folder, is one source."""
    archive = write_wheel("alpha", {})
    found = find_locations([archive, archive.parent, archive])
    assert 1 == len(found)


@pytest.mark.parametrize("name", ["missing", "notes.txt", "empty"])
def test_says_that_there_is_nothing(tmp_path: Path, name: str) -> None:
    """A source that is missing or is no source is an error that names it."""
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError) as caught:
        find_locations([tmp_path / name])
    assert str(tmp_path / name) == caught.value.subject


def test_takes_the_outermost_folder_off(write_sdist: Callable[..., Path]) -> None:
    """An sdist's files are named as in the project."""
    (location,) = find_locations([write_sdist("alpha", {"src/a.py": "x"})])
    assert {"PKG-INFO", "src/a.py"} == {member.path for member in location.members()}
