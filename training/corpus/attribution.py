"""``ATTRIBUTION.md``: the packages that a model has read, and their licences."""

from collections.abc import Iterable, Mapping

from training.corpus.output import TRAIN, PackageEntry

__all__ = ["ATTRIBUTION", "merge_attributions", "render_attributions"]

ATTRIBUTION = "ATTRIBUTION.md"

_HEAD = """\
# Attribution

The corpus holds source of {packages} packages, under these licences.

| Package | Version | Licence | Home page |
| --- | --- | --- | --- |
"""


def render_attributions(packages: Iterable[PackageEntry]) -> Mapping[str, str]:
    """Render a Markdown table of packages and licences for each split, by file name.

    A model that is trained on the corpus must ship with ``ATTRIBUTION.md``, which says
    what it has read: packages that are held out stand in a file of their own.
    """
    tables: dict[str, list[str]] = {}
    for each in packages:
        cells = map(_cell, (each.name, each.version, each.licence, each.home_page))
        tables.setdefault(each.split, []).append(f"| {' | '.join(cells)} |\n")
    return {
        ATTRIBUTION if split == TRAIN else f"ATTRIBUTION-{split}.md": (
            _HEAD.format(packages=len(rows)) + "".join(rows)
        )
        for split, rows in tables.items()
    }


def merge_attributions(texts: Iterable[str]) -> str:
    """Return one ``ATTRIBUTION.md`` with the packages of several."""
    head = _HEAD.splitlines()
    lines = {line for text in texts for line in text.splitlines() if line[:1] == "|"}
    rows = sorted(lines.difference(head), key=str.lower)
    return _HEAD.format(packages=len(rows)) + "".join(f"{row}\n" for row in rows)


def _cell(text: str) -> str:
    """Escape what would break the table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
