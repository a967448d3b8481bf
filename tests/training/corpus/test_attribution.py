"""Every package is named with its licence, whatever it calls itself."""

import pytest

from training.corpus.attribution import render_attribution
from training.corpus.values import PackageEntry


def entry(name: str, home_page: str) -> PackageEntry:
    """Make a package's entry."""
    return PackageEntry(
        name=name,
        version="1.0",
        licence="MIT OR Apache-2.0",
        home_page=home_page,
        split="train",
        files=1,
        characters=1,
        sha256="0",
    )


@pytest.mark.parametrize(
    ("home_page", "cell"),
    [
        ("https://alpha.example", "https://alpha.example"),
        ("", ""),
        ("a | b\nc\\", "a \\| b c\\\\"),
    ],
)
def test_names_each_package(home_page: str, cell: str) -> None:
    """One row each; nothing that a package says can break the table."""
    text = render_attribution([entry("alpha", home_page), entry("beta", "")])
    assert f"| alpha | 1.0 | MIT OR Apache-2.0 | {cell} |\n" in text
    assert "| beta | 1.0 | MIT OR Apache-2.0 |  |\n" in text
