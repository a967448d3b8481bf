"""What the steps of the corpus builder hand to each other, as frozen values.

Nothing here reads a file or decides anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "Dropped",
    "FileRecord",
    "Metadata",
    "PackageEntry",
    "ShardEntry",
    "add_dropped",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a package says of itself.

    Attributes:
        name: The name, canonical: lower case, with single hyphens.
        version: The version as written; empty if there is none.
        expression: The ``License-Expression``; empty if there is none.
        licence: The older ``License`` field, a name or a whole text.
        classifiers: The classifiers that speak of a licence.
        licence_texts: Contents of the licence files.
        home_page: Where the package lives; empty if it does not say.
    """

    name: str
    version: str
    expression: str = ""
    licence: str = ""
    classifiers: tuple[str, ...] = ()
    licence_texts: tuple[str, ...] = ()
    home_page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file that passed the filters, without its text.

    Attributes:
        path: Path inside the package, with forward slashes.
        sha256: SHA-256 of the text in UTF-8, in hexadecimal.
        characters: Length of the text.
        bytes: Size of the file.
    """

    path: str
    sha256: str
    characters: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """How much one reason cost.

    Attributes:
        files: Number of files.
        bytes: Their size together.
    """

    files: int
    bytes: int

    def __add__(self, other: "Dropped") -> "Dropped":
        return Dropped(files=self.files + other.files, bytes=self.bytes + other.bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageEntry:
    """What the corpus holds of one package.

    Attributes:
        name: Canonical name.
        version: Version as the package writes it.
        licence: SPDX expression under which the text is used.
        home_page: Where the package lives; empty if it does not say.
        split: ``train`` or ``held-out``.
        files: Number of files kept.
        characters: Characters kept.
        sha256: SHA-256 of a line ``HASH  PATH`` for each kept file, in order.
    """

    name: str
    version: str
    licence: str
    home_page: str
    split: str
    files: int
    characters: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEntry:
    """One file of the corpus.

    Attributes:
        name: Name in the corpus folder.
        split: ``train`` or ``held-out``.
        files: Number of source files in it.
        bytes: Size on disk.
        sha256: SHA-256 of the shard as it lies on disk.
    """

    name: str
    split: str
    files: int
    bytes: int
    sha256: str


def add_dropped(into: dict[str, Dropped], more: Mapping[str, Dropped]) -> None:
    """Add the counts of ``more`` to those of ``into``, reason by reason."""
    for reason, count in more.items():
        into[reason] = into.get(reason, Dropped(files=0, bytes=0)) + count
