"""Midfill's folders of a user, as the XDG variables and ``HOME`` place them.

Source: XDG Base Directory Specification 0.8.
"""

import os
from pathlib import Path
from types import MappingProxyType
from typing import Literal

__all__ = ["user_folder"]

_PLACES = MappingProxyType(
    {
        "cache": ("XDG_CACHE_HOME", ".cache"),
        "config": ("XDG_CONFIG_HOME", ".config"),
        "data": ("XDG_DATA_HOME", ".local/share"),
        "state": ("XDG_STATE_HOME", ".local/state"),
    }
)


def user_folder(kind: Literal["cache", "config", "data", "state"]) -> Path | None:
    """Return Midfill's folder of a kind, which need not exist.

    An XDG variable with a relative path is ignored.

    Returns:
        The folder; None for a user without a home.
    """
    variable, usual = _PLACES[kind]
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named / "midfill"
    # An empty variable would be the root.
    home = Path(os.path.expanduser("~") if os.environ.get("HOME") != "" else "")  # noqa: PTH111 - pathlib's raises where there is none
    return home / usual / "midfill" if home.is_absolute() else None
