"""Tells which installed package a file belongs to."""

import csv
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from training.eval.documents import canonical

__all__ = ["InstalledPackages"]


class InstalledPackages:
    """Knows what the packages of a ``site-packages`` installed, once it was asked."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: dict[Path, Mapping[str, str]] = {}

    def owner_of(self, path: Path) -> str | None:
        """Return the name of the package that installed a file; None if none did."""
        whole = path.resolve()
        for parent in whole.parents:
            if parent.name in {"site-packages", "dist-packages"}:
                if parent not in self._known:
                    self._known[parent] = _owners(parent)
                return self._known[parent].get(whole.relative_to(parent).as_posix())
        return None


def _owners(site_packages: Path) -> Mapping[str, str]:
    """Read what each package says that it installed."""
    owners: dict[str, str] = {}
    for record in sorted(site_packages.glob("*.dist-info/RECORD")):
        name = canonical(record.parent.name.partition("-")[0])
        try:
            with record.open(encoding="utf-8", newline="") as rows:
                for row in csv.reader(rows):
                    if row and row[0].endswith(".py"):
                        owners[str(PurePosixPath(row[0]))] = name
        except (OSError, ValueError, csv.Error):
            # Then nothing is known of what this package installed.
            continue
    return owners
