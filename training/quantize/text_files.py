"""Finds the source texts that ``--calibration`` names: files, or a corpus' shards."""

import gzip
import json
import random
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from lsp_server.errors import QuantizeError

__all__ = ["TRAIN_SHARDS", "python_texts", "sample_of", "shard_texts"]

TRAIN_SHARDS = "train-*.jsonl.gz"

_LARGEST_BYTES = 200_000
# Tests repeat themselves, and installed packages have licences of their own.
_SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "test", "tests"})


def python_texts(root: Path) -> Iterator[str]:
    """Give the texts of the Python files below a folder, in the order of their names.

    What is large, not UTF-8, or part of tests or installed packages is left out.
    """
    for path in sorted(root.rglob("*.py")):
        if _SKIPPED_FOLDERS.intersection(path.relative_to(root).parts):
            continue
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                continue
            yield path.read_text(encoding="utf-8")
        # Such files exist on purpose, to test compilers.
        except (OSError, UnicodeDecodeError):
            continue


def shard_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Give the texts of files of JSON lines, gzipped if their name ends so.

    A line is an object with a ``text``, as the corpus builder writes it.

    Raises:
        QuantizeError: A file cannot be read, or is none of these.
    """
    for path in paths:
        try:
            opened = gzip.open if path.suffix == ".gz" else open
            with opened(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    text = str(json.loads(line)["text"])
                    yield text.replace("\r\n", "\n").replace("\r", "\n")
        except (OSError, EOFError, zlib.error) as exc:
            raise _unreadable(path, f"it cannot be read ({exc})") from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise _unreadable(path, "a line is no JSON object with a text") from exc


def sample_of(texts: Iterable[str], count: int, rng: random.Random) -> list[str]:
    """Choose at most ``count`` texts, each with the same chance, and shuffle them.

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


def _unreadable(path: Path, what: str) -> QuantizeError:
    return QuantizeError(
        what,
        subject=str(path),
        remedy="Name a folder of Python files, a folder that "
        "`python -m training.corpus` made, or a file of JSON lines with a text each",
    )
