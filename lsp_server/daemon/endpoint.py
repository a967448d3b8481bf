"""Where the daemon of this user, version and installation is reached.

Everything lies in one folder that nobody else can enter: the socket, the lock, and for
a daemon on TCP the file with its port and token. Whatever is not as it was made is
refused: a folder or socket of somebody else's, one that others may use, a symlink.

Source: golang/tools, ``internal/lsp/lsprpc/autostart_posix.go``, which checks the
socket's owner and carries on where the check itself fails; here that refuses.
"""

import json
import os
import socket
import stat
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lsp_server import __version__
from lsp_server.errors import DaemonError
from lsp_server.operating_system import reason_of

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

__all__ = ["Endpoint", "TcpAddress", "check_peer", "find_endpoint"]

_LONGEST_SOCKET_PATH_BYTES = 103
"""Linux takes 107 bytes and a zero, the BSDs 103."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MOST_ADDRESS_BYTES = 1024
_PEER = struct.Struct("3i")
_REMEDY = "Remove it, or name another folder in XDG_RUNTIME_DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpAddress:
    """Where a daemon listens that has no Unix socket.

    Attributes:
        port: A port of 127.0.0.1.
        token: What a client has to know, 256 random bits in hexadecimal digits.
    """

    port: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The files by which one daemon is reached.

    Attributes:
        folder: Their folder, which nobody else can enter.
        name: The version and an id of the installation.
    """

    folder: Path
    name: str

    @property
    def socket_path(self) -> Path:
        """The Unix socket."""
        return self.folder / f"{self.name}.sock"

    @property
    def address_path(self) -> Path:
        """The file with port and token of a daemon on TCP."""
        return self.folder / f"{self.name}.tcp"

    @property
    def lock_path(self) -> Path:
        """The file that the daemon holds locked while it lives; it is never removed."""
        return self.folder / f"{self.name}.lock"

    @property
    def has_unix(self) -> bool:
        """Whether a Unix socket can be here."""
        fits = len(os.fsencode(self.socket_path)) <= _LONGEST_SOCKET_PATH_BYTES
        return fits and hasattr(socket, "AF_UNIX")

    def has_socket(self) -> bool:
        """Return whether there is a socket; whether somebody listens is not known.

        Raises:
            DaemonError: There is something else, or it is not ours alone.
        """
        return _is_ours(self.socket_path, stat.S_ISSOCK, "a socket")

    def tcp_address(self) -> TcpAddress | None:
        """Read where a daemon on TCP listens; None where none has said so.

        Raises:
            DaemonError: The file is not ours alone, or cannot be understood.
        """
        path = self.address_path
        if not _is_ours(path, stat.S_ISREG, "a file"):
            return None
        try:
            found = json.loads(path.read_bytes()[:_MOST_ADDRESS_BYTES])
            return TcpAddress(port=int(found["port"]), token=str(found["token"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            _refuse(path, "it does not hold a daemon's address")


def find_endpoint() -> Endpoint:
    """Return this version's and installation's endpoint, and make its folder.

    Raises:
        DaemonError: There is no folder that is private for certain.
    """
    return Endpoint(folder=_private_folder(), name=f"{__version__}-{_installation()}")


def check_peer(connection: "socket.socket | TransportSocket") -> None:
    """Check that the other end of a Unix socket is a process of this user.

    Raises:
        DaemonError: It is not, or that cannot be seen.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        # The folder's mode is what keeps others out; the kernel tells no more.
        return
    try:
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        _, user, _ = _PEER.unpack(found)
    except (OSError, struct.error) as error:
        raise DaemonError(
            f"the other end's user cannot be seen ({reason_of(error)})",
            subject="the daemon's socket",
            remedy="Set daemon.transport to tcp",
        ) from error
    if user != os.geteuid():
        raise DaemonError(
            f"the other end belongs to user {user}",
            subject="the daemon's socket",
            remedy="Run both as the same user",
        )


def _installation() -> str:
    """Return an id of this installation: two of one version may differ in all else."""
    places = f"{sys.prefix}\0{Path(__file__).resolve().parents[1]}"
    return f"{zlib.crc32(os.fsencode(places)):08x}"


def _private_folder() -> Path:
    """Return the folder of the daemons of this user, made if it was not there.

    Raises:
        DaemonError: It is not private for certain.
    """
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and runtime.is_dir():
        folder = runtime / "midfill"
    else:
        folder = Path("/tmp", f"midfill-{os.geteuid()}")  # noqa: S108 - its owner, mode and kind are checked
    _check_parent(folder.parent)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        _refuse(folder, f"it cannot be made ({error.strerror})")
    if not _is_ours(folder, stat.S_ISDIR, "a folder"):
        _refuse(folder, "it is gone again")
    return folder


def _check_parent(parent: Path) -> None:
    """Check that nobody else can put another folder in the place of ours.

    Raises:
        DaemonError: Somebody can, or that cannot be seen.
    """
    try:
        found = parent.stat()
    except OSError as error:
        _refuse(parent, f"it cannot be looked at ({error.strerror})")
    if found.st_uid not in {0, os.geteuid()}:
        _refuse(parent, f"it belongs to user {found.st_uid}")
    if found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX:
        _refuse(parent, "others may change what is in it")


def _is_ours(path: Path, is_kind: Callable[[int], bool], kind: str) -> bool:
    """Return whether a path exists, of the expected kind and this user's alone.

    Raises:
        DaemonError: It exists and is not, or cannot be examined.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        _refuse(path, f"it cannot be looked at ({error.strerror})")
    if not is_kind(found.st_mode):
        _refuse(path, f"it is not {kind}")
    if found.st_uid != os.geteuid():
        _refuse(path, f"it belongs to user {found.st_uid}")
    if found.st_mode & _OTHERS:
        _refuse(path, "others may use it")
    return True


def _refuse(path: Path, what: str) -> NoReturn:
    """Raise the error about something that is not as it was made."""
    raise DaemonError(what, subject=str(path), remedy=_REMEDY)
