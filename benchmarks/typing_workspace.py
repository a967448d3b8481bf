"""What is typed: traces of changed files, and the workspace that they lie in."""

import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.typing_packages import PACKAGES, changed_files, texts_of
from benchmarks.typing_traces import Trace, trace_of

__all__ = ["traces_of", "write_workspace"]

_MOST_STRETCH_CHARS = 160
_MOST_TRACE_KEYS = 40
_TABS = 2


def traces_of(
    languages: Sequence[str], keys: int, *, seed: int, cache: Path
) -> list[Trace]:
    """Return traces of about so many keys in each language, of files by turns.

    Args:
        languages: Their ids.
        keys: Of each.
        seed: Decides which files come, and how they are typed.
        cache: Where fetched packages are kept.
    """
    chosen: list[Trace] = []
    for language in languages:
        files = [
            file
            for package in PACKAGES
            if package.language_id == language
            for file in changed_files(package, cache)
        ]
        random.Random(seed).shuffle(files)  # noqa: S311 - an experiment's seed
        left = keys
        for file in files:
            tabs = [each for each in files if each.package is file.package]
            tabs = [each for each in tabs if each is not file][:_TABS]
            trace = trace_of(
                f"{file.package.name}/{file.path}",
                language,
                file.old,
                file.new,
                seed=seed,
                most_keys=min(left, _MOST_TRACE_KEYS),
                most_chars=_MOST_STRETCH_CHARS,
                tabs={f"{each.package.name}/{each.path}": each.old for each in tabs},
            )
            if trace.stretches:
                chosen.append(trace)
                left -= trace.keys
            if left <= 0:
                break
    return chosen


def write_workspace(
    languages: Sequence[str], folder: Path, *, cache: Path
) -> list[str]:
    """Write the older releases as folders of a workspace, and return their URIs.

    Args:
        languages: The languages whose packages are written.
        folder: Where they are written.
        cache: Where fetched packages are kept.
    """
    uris = []
    for package in PACKAGES:
        if package.language_id not in languages:
            continue
        root = folder / package.name
        for name, text in texts_of(package, package.old, cache).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        uris.append(root.as_uri())
    return uris
