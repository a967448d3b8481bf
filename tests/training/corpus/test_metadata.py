"""What a package says of itself is read from every kind of source."""

from collections.abc import Callable
from pathlib import Path

import pytest

from training.corpus.locations import find_locations
from training.corpus.metadata import read_metadata
from training.corpus.values import Metadata


def read(source: Path) -> Metadata | None:
    """Read the metadata of the one package of a source."""
    (location,) = find_locations([source])
    return read_metadata(location)


def test_reads_a_wheel(write_wheel: Callable[..., Path]) -> None:
    """Name, version, licence, home page and licence files come from dist-info."""
    archive = write_wheel(
        "Alpha_Beta",
        {"Alpha_Beta-1.0.dist-info/licenses/LICENSE": "Text", "LICENSE.md": "Top"},
        License="BSD",
        Classifier="License :: OSI Approved :: BSD License",
        Home_page="https://alpha.example",
    )
    assert Metadata(
        name="alpha-beta",
        version="1.0",
        licence="BSD",
        classifiers=("License :: OSI Approved :: BSD License",),
        licence_texts=("Text", "Top"),
        home_page="https://alpha.example",
    ) == read(archive)


def test_reads_an_sdist(write_sdist: Callable[..., Path]) -> None:
    """PKG-INFO of an sdist is read, and not that of a package nested in it."""
    archive = write_sdist(
        "alpha", {"src/x.egg-info/PKG-INFO": "Name: other\n"}, version="2.0"
    )
    found = read(archive)
    assert found is not None
    assert ("alpha", "2.0", "MIT") == (found.name, found.version, found.expression)


def test_reads_an_installed_package(write_installed: Callable[..., Path]) -> None:
    """METADATA of an installed package is read."""
    found = read(write_installed("alpha", {}).parent)
    assert found is not None
    assert ("alpha", "1.0", "MIT") == (found.name, found.version, found.expression)


@pytest.mark.parametrize(
    ("stated", "expression", "licence"),
    [
        ('license = "MIT"', "MIT", ""),
        ('license = {text = "BSD"}', "", "BSD"),
        ('license = {file = "LICENSE"}', "", ""),
        ("license = 3", "", ""),
        ("", "", ""),
    ],
)
def test_reads_a_project(
    write_folder: Callable[..., Path], stated: str, expression: str, licence: str
) -> None:
    """Both forms of a project's licence are read, and a wrong one is none."""
    project = f"""
        [project]
        name = "Alpha"
        version = "3"
        {stated}
        classifiers = ["License :: OSI Approved", "Topic :: Other"]
        urls = {{Issues = "https://bugs.example", Homepage = "https://home.example"}}
    """
    folder = write_folder("some", {"pyproject.toml": project, "LICENSE": "Text"})
    assert Metadata(
        name="alpha",
        version="3",
        expression=expression,
        licence=licence,
        classifiers=("License :: OSI Approved",),
        licence_texts=("Text",),
        home_page="https://home.example",
    ) == read(folder)


@pytest.mark.parametrize("project", ["", "not = [toml", "[project]\nname = 3", None])
def test_names_a_folder_after_itself(
    write_folder: Callable[..., Path], project: str | None
) -> None:
    """A folder without a usable project table has its own name."""
    files = {"LICENSE": "Text"}
    if project is not None:
        files["pyproject.toml"] = project
    found = read(write_folder("My.Code", files))
    assert Metadata(name="my-code", version="", licence_texts=("Text",)) == found


def test_knows_when_there_is_nothing(write_zip: Callable[..., Path]) -> None:
    """An archive without metadata has no name."""
    assert read(write_zip("a.zip", {"top/a.py": "x"})) is None


@pytest.mark.parametrize(
    ("fields", "home"),
    [
        ({"Home-page": "UNKNOWN"}, ""),
        (
            {"Project-URL": "Documentation, https://docs.example"},
            "https://docs.example",
        ),
        ({"Project-URL": "Source Code, https://code.example"}, "https://code.example"),
        ({"Project-URL": "nothing"}, ""),
    ],
)
def test_finds_the_home_page(
    write_wheel: Callable[..., Path], fields: dict[str, str], home: str
) -> None:
    """Without a home page, the best of the project's links is taken."""
    found = read(write_wheel("alpha", {}, **fields))
    assert found is not None
    assert home == found.home_page
