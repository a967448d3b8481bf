"""The file of API keys: read only if nobody else may read it, changed under a lock."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsp_server.access.keys import StoredKey, parse_line
from lsp_server.errors import KeyFileError
from lsp_server.files import atomic_write
from lsp_server.operating_system import user_folder

__all__ = ["KeyLines", "Stamp", "change", "default_key_file", "parse_lines", "read"]

_NAME = "keys.jsonl"
_MOST_BYTES = 4 << 20
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What tells one state of a file from another.

    Attributes:
        inode: Its number, which changes when the file is replaced.
        changed_ns: When content or permissions last changed, by the system's count.
        size_bytes: Its size.
    """

    inode: int
    changed_ns: int
    size_bytes: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """Make the stamp of a file's status."""
        return cls(
            inode=status.st_ino,
            changed_ns=max(status.st_mtime_ns, status.st_ctime_ns),
            size_bytes=status.st_size,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLines:
    """What the lines of a file or an environment variable hold.

    Attributes:
        keys: The keys of whole lines, revoked ones included, in their order.
        problems: One for each broken line.
    """

    keys: tuple[StoredKey, ...]
    problems: tuple[KeyFileError, ...]


def default_key_file() -> Path | None:
    """Return where the keys are by default; None for a user without a home."""
    folder = user_folder("config")
    return folder / _NAME if folder else None


def parse_lines(text: str, *, place: str) -> KeyLines:
    """Read the lines of a key file; blank ones and those that begin with # are skipped.

    Args:
        text: The lines.
        place: Where they stand, for messages.
    """
    keys: dict[str, StoredKey] = {}
    problems = []
    digests: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        subject = f"line {number} of {place}"
        try:
            stored = parse_line(line, subject=subject)
        except KeyFileError as error:
            problems.append(error)
            continue
        if stored.id in keys or stored.sha256 in digests:
            problems.append(
                KeyFileError(
                    "it repeats the id or the key of an earlier line",
                    subject=subject,
                    remedy="remove one of them; the earlier line holds",
                )
            )
            continue
        keys[stored.id] = stored
        digests.add(stored.sha256)
    return KeyLines(keys=tuple(keys.values()), problems=tuple(problems))


def read(path: Path) -> tuple[str, Stamp]:
    """Return a key file's text, and the stamp of the state that was read.

    Raises:
        FileNotFoundError: There is no such file.
        KeyFileError: Others may read or change it, or it is no readable text file.
    """
    try:
        # Opening a named pipe would wait for whoever writes to it.
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            status = os.fstat(file.fileno())
            _require_private(path, status)
            content = file.read(_MOST_BYTES + 1)
        if len(content) <= _MOST_BYTES:
            return content.decode(), Stamp.of(status)
        what = f"it is larger than {_MOST_BYTES:,} bytes"
    except FileNotFoundError:
        raise
    except OSError as error:
        what = f"it cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        what = f"it is not UTF-8 (byte {error.start})"
    raise KeyFileError(what, subject=str(path), remedy="Correct it, or name another")


def change(path: Path, edit: Callable[[KeyLines], Sequence[StoredKey]]) -> None:
    """Change a key file, as the only one to do so at a time.

    Lines that are broken, blank or comments stay as they are.

    Args:
        path: The file; it and its folder are created where they are missing.
        edit: Returns the keys that are new or changed; a known id replaces its line.

    Raises:
        KeyFileError: The file cannot be read or written; it is as it was.
    """
    path = path.resolve()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path.with_name(f".{path.name}.lock")):
            try:
                text, _ = read(path)
            except FileNotFoundError:
                text = ""
            held = parse_lines(text, place=str(path))
            edited = {stored.id: stored for stored in edit(held)}
            old = text.removesuffix("\n").split("\n") if text else []
            lines = [_edited_line(line, edited) for line in old]
            lines += [stored.line for stored in edited.values()]
            content = "".join(f"{line}\n" for line in lines).encode()
            if len(content) > _MOST_BYTES:
                raise KeyFileError(
                    f"it would be larger than {_MOST_BYTES:,} bytes",
                    subject=str(path),
                    remedy="Remove lines of revoked keys",
                )
            with atomic_write(path, mode=_PRIVATE) as file:
                file.write(content)
    except OSError as error:
        raise KeyFileError(
            f"it cannot be written ({error.strerror})",
            subject=str(error.filename or path),
            remedy="free space on that disk, or check who may write there",
        ) from error


def _edited_line(line: str, edited: dict[str, StoredKey]) -> str:
    """Return a line or what takes its place, which is taken out of ``edited``."""
    try:
        stored = parse_line(line, subject="")
    except KeyFileError:
        return line
    replacing = edited.pop(stored.id, None)
    return replacing.line if replacing else line


def _require_private(path: Path, status: os.stat_result) -> None:
    """Check that nobody but this user and root can read or change the file.

    A file of root's may be read by a group of this user's, as a Kubernetes Secret is.

    Raises:
        KeyFileError: Somebody else can.
    """
    is_lent = status.st_uid == 0 != os.geteuid() and status.st_gid in {
        os.getegid(),
        *os.getgroups(),
    }
    if not stat.S_ISREG(status.st_mode):
        what, remedy = "it is not a regular file", "name another"
    elif status.st_uid not in {os.geteuid(), 0}:
        what, remedy = "it belongs to another user", "copy it, and name the copy"
    elif status.st_mode & 0o077 & ~(stat.S_IRGRP if is_lent else 0):
        mode = stat.S_IMODE(status.st_mode)
        what = f"other users may use it (its mode is {mode:04o})"
        remedy = f"run `chmod 600 {path}`"
    else:
        return
    raise KeyFileError(what, subject=str(path), remedy=remedy)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock, and hold it for the block."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    with os.fdopen(opened, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
