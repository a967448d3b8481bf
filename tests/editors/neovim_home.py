"""The environment of a Neovim whose user has nothing yet."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["environment", "home_in"]


def home_in(folder: Path) -> dict[str, str]:
    """Return the environment of a Neovim whose user has nothing yet."""
    places = {
        "HOME": folder / "home",
        "XDG_CONFIG_HOME": folder / "home/.config",
        "XDG_DATA_HOME": folder / "home/.local/share",
        "XDG_STATE_HOME": folder / "home/.local/state",
        "XDG_CACHE_HOME": folder / "home/.cache",
        "XDG_RUNTIME_DIR": folder / "run",
    }
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The server is measured for coverage like any other process of the tests.
    measured = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("COV_", "COVERAGE_")) or name == "PYTHONPATH"
    }
    fixed = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "xterm-256color"}
    named = {name: str(place) for name, place in places.items()}
    return measured | fixed | {"LANG": "C.UTF-8"} | named


@contextlib.contextmanager
def environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Have this process's environment be another for a moment."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
