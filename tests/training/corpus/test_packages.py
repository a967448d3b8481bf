"""Each package is used once, in its latest version, or refused with a reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from training.corpus.locations import find_locations
from training.corpus.packages import Package, Refusal, choose_packages, describe


def choose(*sources: Path) -> tuple[tuple[Package, ...], tuple[Refusal, ...]]:
    """Choose among the packages of the sources."""
    locations = find_locations(sources)
    return choose_packages((each, describe(each)) for each in locations)


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
