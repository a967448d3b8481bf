"""Tells how many of the tasks a model may know from its training."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.eval.documents import canonical

__all__ = ["Familiarity", "count_familiar", "trained_packages"]

_LIST = "ATTRIBUTION.md"
_CELLS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Familiarity:
    """Cursors, by whether the model was trained on the package of their file.

    Attributes:
        trained: Cursors in packages that the model was trained on.
        other: Cursors in packages that it was not trained on.
        unknown: Cursors in files of which the package is not known.
    """

    trained: int
    other: int
    unknown: int


def trained_packages(folder: Path) -> frozenset[str] | None:
    """Read which packages a model was trained on; None where it does not say.

    A model that ``training.train`` made has the corpus' list beside its weights.
    """
    try:
        lines = (folder / _LIST).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    rows = [line.strip().strip("|").split(" | ") for line in lines if line[:1] == "|"]
    # The first two lines of the table are its head.
    names = [canonical(row[0].strip()) for row in rows[2:] if len(row) == _CELLS]
    return frozenset(names) or None


def count_familiar(
    packages: Iterable[str | None], trained: frozenset[str]
) -> Familiarity:
    """Count cursors whose files are of these packages."""
    found = list(packages)
    unknown = found.count(None)
    familiar = sum(each in trained for each in found)
    return Familiarity(
        trained=familiar, other=len(found) - familiar - unknown, unknown=unknown
    )
