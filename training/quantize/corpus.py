"""Source texts: some calibrate the quantiser, the others test its result.

They come from a folder of Python files, a training corpus, or a file of JSON lines.
"""

import random
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import QuantizeError
from lsp_server.files import read_json_lines
from lsp_server.text import with_line_feeds

__all__ = ["Corpus", "read_corpus", "require_calibration"]

_TRAIN_SHARDS = "train-*.jsonl.gz"
_MIN_CHARS = 2_000
_HELD_OUT_EVERY = 4
_MAX_TEXTS = 4_096
_MAX_SHARDS = 4
"""Of a training corpus, which is gigabytes; a few hundred texts are enough."""

_MAX_FILE_BYTES = 200_000
_SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "test", "tests"})
"""Tests are repetitive, and installed packages have licences of their own."""

_REMEDY = (
    "Name a folder of Python files, a folder that `python -m training.corpus` made, or "
    "a file of JSON lines with a text each"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Source texts, split by file.

    Attributes:
        calibration: Texts for the quantiser.
        held_out: Texts of other files, to test the result with.
        description: Where they come from, for the manifest.
    """

    calibration: tuple[str, ...]
    held_out: tuple[str, ...]
    description: str


def read_corpus(place: Path | None, *, seed: int) -> Corpus:
    """Read source texts and split them.

    Args:
        place: A folder of Python files, a folder of the corpus builder's shards, of
            which the seed selects a few, or a file of JSON lines. None is the standard
            library of the running Python, which is always there and freely licensed.
        seed: The same seed and files give the same split.

    Raises:
        QuantizeError: The place is missing or unreadable, or has too few texts.
    """
    rng = random.Random(seed)  # noqa: S311  # chooses text, guards nothing
    require_calibration(place)
    root = place or Path(sysconfig.get_path("stdlib"))
    texts = _sample(_long_enough(_texts(root, rng)), _MAX_TEXTS, rng)
    if len(texts) < _HELD_OUT_EVERY:
        raise QuantizeError(
            f"there are {len(texts)} usable source texts, and at least "
            f"{_HELD_OUT_EVERY} are needed",
            subject=str(root),
            remedy="Choose a folder with UTF-8 Python files of "
            f"{_MIN_CHARS} characters and more",
        )
    held_out = texts[::_HELD_OUT_EVERY]
    del texts[::_HELD_OUT_EVERY]
    return Corpus(
        calibration=tuple(texts),
        held_out=tuple(held_out),
        description=_description(place),
    )


def require_calibration(place: Path | None) -> None:
    """Check that the calibration text exists.

    Raises:
        QuantizeError: It does not.
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
        return _shard_texts([root])
    shards = sorted(root.glob(_TRAIN_SHARDS))
    if shards:
        return _shard_texts(rng.sample(shards, min(_MAX_SHARDS, len(shards))))
    return _python_texts(root)


def _long_enough(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if len(text) >= _MIN_CHARS)


def _description(place: Path | None) -> str:
    if place is None:
        version = ".".join(map(str, sys.version_info[:3]))
        return f"the standard library of CPython {version} (PSF-2.0)"
    if place.is_dir() and any(place.glob(_TRAIN_SHARDS)):
        return "the training corpus"
    return "Python source given by the user"


def _python_texts(root: Path) -> Iterator[str]:
    """Yield the texts of the Python files below a folder, sorted by path.

    Skips large files, files that are not UTF-8, tests, and installed packages.
    """
    for path in sorted(root.rglob("*.py")):
        if _SKIPPED_FOLDERS.intersection(path.relative_to(root).parts):
            continue
        try:
            if path.stat().st_size > _MAX_FILE_BYTES:
                continue
            yield path.read_text(encoding="utf-8")
        # Python's own test data has such files on purpose.
        except (OSError, UnicodeDecodeError):
            continue


def _shard_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the ``text`` of each object in files of JSON lines, gzipped if named .gz.

    Raises:
        QuantizeError: A file cannot be read, or a line is no object with a text.
    """
    for path in paths:
        rows = read_json_lines(
            path, error=QuantizeError, remedy=_REMEDY, texts=("text",)
        )
        for row in rows:
            yield with_line_feeds(str(row["text"]))


def _sample(texts: Iterable[str], count: int, rng: random.Random) -> list[str]:
    """Draw at most ``count`` texts uniformly, and shuffle them.

    Source: Vitter, Random Sampling with a Reservoir, 1985, algorithm R.
    """
    chosen: list[str] = []
    for seen, text in enumerate(texts):
        if seen < count:
            chosen.append(text)
        elif (place := rng.randrange(seen + 1)) < count:
            chosen[place] = text
    rng.shuffle(chosen)
    return chosen
