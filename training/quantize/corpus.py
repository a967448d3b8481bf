"""Chooses the source texts that calibrate a model, and those that judge it."""

import random
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import QuantizeError
from training.quantize.text_files import (
    TRAIN_SHARDS,
    python_texts,
    sample_of,
    shard_texts,
)

__all__ = ["Corpus", "read_corpus", "require_calibration"]

_SMALLEST_CHARS = 2_000
_HELD_OUT_EVERY = 4
_MOST_TEXTS = 4_096
_MOST_SHARDS = 4


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


def read_corpus(place: Path | None, *, seed: int) -> Corpus:
    """Read and divide source text.

    Args:
        place: A folder of Python files, a folder of shards from the corpus builder, of
            which a few are chosen by the seed, or a file of JSON lines; None takes the
            standard library of the Python that runs this, which is at hand everywhere
            and may be used freely.
        seed: The same seed divides the same files in the same way.

    Raises:
        QuantizeError: The place is missing or unreadable, or there are too few texts
            to calibrate and to judge.
    """
    rng = random.Random(seed)  # noqa: S311  # chooses text, guards nothing
    require_calibration(place)
    root = place or Path(sysconfig.get_path("stdlib"))
    texts = sample_of(_long_enough(_texts(root, rng)), _MOST_TEXTS, rng)
    if len(texts) < _HELD_OUT_EVERY:
        raise QuantizeError(
            f"there are {len(texts)} usable source texts, and at least "
            f"{_HELD_OUT_EVERY} are needed",
            subject=str(root),
            remedy="Choose a folder with UTF-8 Python files of "
            f"{_SMALLEST_CHARS} characters and more",
        )
    held_out = texts[::_HELD_OUT_EVERY]
    del texts[::_HELD_OUT_EVERY]
    return Corpus(
        calibration=tuple(texts),
        held_out=tuple(held_out),
        description=_description(place),
    )


def require_calibration(place: Path | None) -> None:
    """Make sure that there is something to read.

    Raises:
        QuantizeError: There is not.
    """
    if place is not None and not place.exists():
        raise QuantizeError(
            "the calibration text is missing",
            subject=str(place),
            remedy="Name a folder or file that is there, or leave --calibration out to "
            "take Python's own standard library",
        )


def _texts(root: Path, rng: random.Random) -> Iterator[str]:
    if root.is_file():
        return shard_texts([root])
    shards = sorted(root.glob(TRAIN_SHARDS))
    if shards:
        # Whole corpora are gigabytes, and a few hundred texts are enough.
        return shard_texts(rng.sample(shards, min(_MOST_SHARDS, len(shards))))
    return python_texts(root)


def _long_enough(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if len(text) >= _SMALLEST_CHARS)


def _description(place: Path | None) -> str:
    if place is None:
        version = ".".join(map(str, sys.version_info[:3]))
        return f"the standard library of CPython {version} (PSF-2.0)"
    if place.is_dir() and any(place.glob(TRAIN_SHARDS)):
        return "the training corpus"
    return "Python source given by the user"
