"""Packages state their metadata, and each is used once or refused with a reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from training.corpus.licences import LicenceStatements
from training.corpus.output import Refusal
from training.corpus.packages import (
    Metadata,
    Package,
    choose_packages,
    read_metadata,
    try_metadata,
)
from training.corpus.sources import find_locations


def choose(*sources: Path) -> tuple[tuple[Package, ...], tuple[Refusal, ...]]:
    """Choose among the packages of the sources."""
    locations = find_locations(sources)
    return choose_packages((each, try_metadata(each)) for each in locations)


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.9", "1.10"), ("1.0rc1", "1.0"), ("what?", "0.1"), ("1.0", "2!0.1")],
)
def test_takes_the_latest_version(
    write_wheel: Callable[..., Path], older: str, newer: str
) -> None:
    """Versions are compared as versions, not as text."""
    archives = [write_wheel("alpha", {}, version=each) for each in (newer, older)]
    packages, refused = choose(*archives)
    assert [newer] == [package.version for package in packages]
    reason = "another version is used"
    assert (Refusal(reason=reason, source=archives[1].name),) == refused


def test_reads_all_sources_of_a_version(
    write_wheel: Callable[..., Path], write_sdist: Callable[..., Path]
) -> None:
    """A wheel and an sdist of one version are one package."""
    archives = [write_wheel("alpha", {}), write_sdist("alpha", {})]
    ((package,), refused) = choose(*archives)
    assert set(archives) == {location.path for location in package.locations}
    assert () == refused


def test_one_refusal_refuses_the_package(
    write_wheel: Callable[..., Path], write_sdist: Callable[..., Path]
) -> None:
    """If one source of a version is not permissive, none of them is used."""
    archives = [write_wheel("alpha", {}), write_sdist("alpha", {}, License="GPL")]
    packages, refused = choose(*archives)
    assert () == packages
    assert {path.name for path in archives} == {each.source for each in refused}


def test_does_not_fall_back_to_an_older_licence(
    write_wheel: Callable[..., Path],
) -> None:
    """If the latest version may not be used, no older one is."""
    packages, refused = choose(
        write_wheel("alpha", {}, version="1.0"),
        write_wheel("alpha", {}, version="2.0", License="AGPL"),
    )
    assert () == packages
    assert [
        "another version is used",
        "licence of the GPL family",
    ] == [each.reason for each in refused]


def test_refuses_what_it_cannot_read(
    tmp_path: Path, write_zip: Callable[..., Path]
) -> None:
    """Damaged and nameless archives are refused; the others go on."""
    broken = tmp_path / "broken.whl"
    broken.write_bytes(b"no zip")
    nameless = write_zip("nameless.zip", {"top/a.py": "x"})
    assert (
        (),
        (
            Refusal(reason="damaged", source="broken.whl"),
            Refusal(reason="no name in its metadata", source="nameless.zip"),
        ),
    ) == choose(broken, nameless)


def test_goes_by_name(write_wheel: Callable[..., Path]) -> None:
    """Packages come in the order of their names, by any spelling."""
    archives = [write_wheel(name, {}) for name in ("Zeta_A", "beta", "Alpha")]
    packages, _ = choose(*archives)
    assert ["alpha", "beta", "zeta-a"] == [package.name for package in packages]


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
        licence=LicenceStatements(
            field="BSD",
            classifiers=("License :: OSI Approved :: BSD License",),
            texts=("Text", "Top"),
        ),
        home_page="https://alpha.example",
    ) == read(archive)


def test_reads_an_sdist(write_sdist: Callable[..., Path]) -> None:
    """PKG-INFO of an sdist is read, and not that of a package nested in it."""
    archive = write_sdist(
        "alpha", {"src/x.egg-info/PKG-INFO": "Name: other\n"}, version="2.0"
    )
    found = read(archive)
    assert found is not None
    assert ("alpha", "2.0", "MIT") == (
        found.name,
        found.version,
        found.licence.expression,
    )


def test_reads_an_installed_package(write_installed: Callable[..., Path]) -> None:
    """METADATA of an installed package is read."""
    found = read(write_installed("alpha", {}).parent)
    assert found is not None
    assert ("alpha", "1.0", "MIT") == (
        found.name,
        found.version,
        found.licence.expression,
    )


@pytest.mark.parametrize(
    ("stated", "expression", "field"),
    [
        ('license = "MIT"', "MIT", ""),
        ('license = {text = "BSD"}', "", "BSD"),
        ('license = {file = "LICENSE"}', "", ""),
        ("license = 3", "", ""),
        ("", "", ""),
    ],
)
def test_reads_a_project(
    write_folder: Callable[..., Path], stated: str, expression: str, field: str
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
        licence=LicenceStatements(
            expression=expression,
            field=field,
            classifiers=("License :: OSI Approved",),
            texts=("Text",),
        ),
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
    licence = LicenceStatements(texts=("Text",))
    assert Metadata(name="my-code", version="", licence=licence) == found


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
