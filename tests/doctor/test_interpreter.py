"""The Python version is judged."""

import sys

import pytest

from lsp_server.doctor.finding import Level
from lsp_server.doctor.interpreter import check_python


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 10, 14), Level.FAILURE),
        ((2, 7, 18), Level.FAILURE),
        ((3, 11, 0), Level.OK),
        ((3, 12, 4), Level.OK),
        ((3, 13, 9), Level.OK),
        ((3, 14, 0), Level.WARNING),
    ],
)
def test_versions(version: tuple[int, int, int], level: Level) -> None:
    """Only tested versions are ok; the version is named, and a remedy if it is bad."""
    finding = check_python(version)
    assert level is finding.level
    assert "Python " + ".".join(map(str, version)) in finding.what
    assert bool(finding.remedy) == (level is not Level.OK)


def test_the_python_of_this_test_is_supported() -> None:
    """The tests themselves run on a Python that doctor calls ok."""
    assert Level.OK is check_python(sys.version_info[:3]).level
