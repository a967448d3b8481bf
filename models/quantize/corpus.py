"""Chooses the Python files that calibrate a model, and those that judge it."""

import random
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import QuantizeError

__all__ = ["Corpus", "read_corpus"]

_SMALLEST_CHARS = 2_000
_LARGEST_BYTES = 200_000
_HELD_OUT_EVERY = 4
# Tests repeat themselves, and installed packages have licences of their own.
_SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "test", "tests"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Source text, already divided.

    Attributes:
        calibration: Texts that the quantiser may see.
        held_out: Texts of other files, to judge the result by.
        description: Where they come from, for the manifest.
    """

    calibration: tuple[str, ...]
    held_out: tuple[str, ...]
    description: str


def read_corpus(folder: Path | None, *, seed: int) -> Corpus:
    """Read and divide the Python files below ``folder``.

    Args:
        folder: A folder of source code; None takes the standard library of the Python
            that runs this, which is at hand everywhere and may be used freely.
        seed: The same seed divides the same files in the same way.

    Raises:
        QuantizeError: There are too few files to calibrate and to judge.
    """
    root = folder or Path(sysconfig.get_path("stdlib"))
    texts = list(_read_texts(root))
    random.Random(seed).shuffle(texts)  # noqa: S311  # chooses text, guards nothing
    if len(texts) < _HELD_OUT_EVERY:
        raise QuantizeError(
            f"there are {len(texts)} usable Python files, and at least "
            f"{_HELD_OUT_EVERY} are needed",
            subject=str(root),
            remedy="Choose a folder with UTF-8 Python files of "
            f"{_SMALLEST_CHARS} characters and more",
        )
    held_out = texts[::_HELD_OUT_EVERY]
    del texts[::_HELD_OUT_EVERY]
    version = ".".join(map(str, sys.version_info[:3]))
    return Corpus(
        calibration=tuple(texts),
        held_out=tuple(held_out),
        description="Python files given by the user"
        if folder
        else f"the standard library of CPython {version} (PSF-2.0)",
    )


def _read_texts(root: Path) -> Iterator[str]:
    """Give the usable files' texts, in the order of their names."""
    for path in sorted(root.rglob("*.py")):
        if _SKIPPED_FOLDERS.intersection(path.relative_to(root).parts):
            continue
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                continue
            text = path.read_text(encoding="utf-8")
        # Such files exist on purpose, to test compilers.
        except (OSError, UnicodeDecodeError):
            continue
        if len(text) >= _SMALLEST_CHARS:
            yield text
