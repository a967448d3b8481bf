"""Opens regular files, finds the user's folders, and words the system's errors.

Only the standard library is loaded, and little of it.

Source: XDG Base Directory Specification 0.8.
"""

import errno
import os
import stat
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Literal

__all__ = ["open_regular", "reason_of", "user_folder"]

_PLACES = MappingProxyType(
    {
        "cache": ("XDG_CACHE_HOME", ".cache"),
        "config": ("XDG_CONFIG_HOME", ".config"),
        "data": ("XDG_DATA_HOME", ".local/share"),
        "state": ("XDG_STATE_HOME", ".local/state"),
    }
)


def open_regular(path: Path) -> BinaryIO:
    """Open a file that a person named, for reading.

    Raises:
        OSError: It cannot be opened, or is a folder, a pipe or a device: reading these
            may wait for ever, or never come to an end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))


def reason_of(error: BaseException) -> str:
    """Return why a call failed in words for people, without Python's own.

    Of an error that has no words but its class, such as a closed connection, the
    result is general.
    """
    words = (
        getattr(error, "verify_message", None),
        getattr(error, "strerror", None),
        str(error),
    )
    found = next((each for each in words if each), "")
    if isinstance(error, TimeoutError):
        return "it took too long"
    # Such as "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)".
    return _without_codes(str(found)) or "the connection broke off"


def _without_codes(text: str) -> str:
    """Remove the codes that Python's and OpenSSL's messages begin and end with."""
    if text.startswith("["):
        text = text.partition("] ")[2] or text
    return text.partition(" (_ssl.c:")[0]


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
