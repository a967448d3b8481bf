"""Changes single settings of a run's file, as ``KEY=VALUE`` on the command line.

So that runs that differ in one thing share one file.
"""

import tomllib
from collections.abc import Iterable, Mapping

__all__ = ["apply_changes"]


def apply_changes(
    raw: Mapping[str, object], changes: Iterable[str]
) -> dict[str, object]:
    """Return decoded TOML with some values replaced.

    Args:
        raw: Decoded TOML.
        changes: TOML lines, such as ``data.apart = true``; a table replaces only the
            keys that it has, a list all of a list.

    Raises:
        TOMLDecodeError: A change is no TOML.
    """
    changed = dict(raw)
    for change in changes:
        changed = _merged(changed, tomllib.loads(change))
    return changed


def _merged(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        match before, value:
            case dict(), dict():
                merged[key] = _merged(before, value)
            case _:
                merged[key] = value
    return merged
