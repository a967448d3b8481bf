"""Writes the list of packages that a model trained on the corpus must ship with."""

from collections.abc import Iterable

from training.corpus.values import PackageEntry

__all__ = ["render_attribution"]


def render_attribution(packages: Iterable[PackageEntry]) -> str:
    """Render a Markdown table of packages, versions, licences and home pages."""
    rows = [
        "| "
        + " | ".join(map(_cell, (p.name, p.version, p.licence, p.home_page)))
        + " |"
        for p in packages
    ]
    return "\n".join(
        [
            "# Attribution",
            "",
            f"The corpus holds source of {len(rows)} packages, under these licences.",
            "",
            "| Package | Version | Licence | Home page |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _cell(text: str) -> str:
    """Keep what others wrote from breaking the table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
