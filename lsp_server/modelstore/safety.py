"""Refuses model folders that could run code or reach outside of themselves.

Only kinds of files that a model needs are let through: what is unknown is refused.
Nothing here judges whether a file is the right one; that is `integrity`.
"""

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from lsp_server.errors import ModelIntegrityError, UnsafeModelError
from lsp_server.modelstore.json_file import read_json

__all__ = ["is_inside", "refuse_unsafe", "unsafe", "walk"]

_ALLOWED_SUFFIXES = frozenset({".json", ".md", ".model", ".safetensors", ".txt"})
_ALLOWED_NAMES = frozenset({"LICENSE", "LICENCE", "NOTICE"})
_PICKLES = frozenset(
    {".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"}
)
_CODE = frozenset({".dll", ".dylib", ".py", ".pyc", ".pyd", ".pyi", ".sh", ".so"})
_FORBIDDEN_KEYS = frozenset({"auto_map", "chat_template", "trust_remote_code"})
# Their keys are tokens, not settings: `auto_map` is a word that code contains.
_VOCABULARIES = frozenset({"added_tokens.json", "tokenizer.json", "vocab.json"})


def refuse_unsafe(folder: Path) -> tuple[str, ...]:
    """Check every file below ``folder``, and give their relative names, sorted.

    Raises:
        UnsafeModelError: There is a symbolic link, a special file, a pickle, code, a
            file of a kind that no model needs, a chat template, or a JSON file with
            ``auto_map`` or ``trust_remote_code``.
        ModelIntegrityError: A JSON file cannot be read.
    """
    names = sorted(walk(folder))
    for name in names:
        _refuse_kind(folder / name)
    for name in names:
        path = folder / name
        if path.suffix == ".json" and path.name not in _VOCABULARIES:
            _refuse_keys(path)
    return tuple(names)


def walk(folder: Path) -> Iterator[str]:
    """Give the relative name of every file below ``folder``, following no link.

    Raises:
        UnsafeModelError: There is a symbolic link or a special file.
        ModelIntegrityError: A folder cannot be listed.
    """
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            found = [(path, path.lstat().st_mode) for path in current.iterdir()]
        except OSError as exc:
            raise ModelIntegrityError(
                f"the folder cannot be listed ({exc.strerror})",
                subject=str(current),
                remedy="Correct its permissions, or fetch the model again",
            ) from exc
        for path, mode in found:
            if stat.S_ISDIR(mode):
                waiting.append(path)
            elif stat.S_ISREG(mode):
                yield path.relative_to(folder).as_posix()
            elif stat.S_ISLNK(mode):
                raise unsafe(path, "is a symbolic link")
            else:
                raise unsafe(path, "is a device, a pipe or a socket")


def is_inside(name: str) -> bool:
    """Tell whether ``name`` is a relative path that stays below its folder.

    It must be one on every system: neither a drive, nor a backslash, nor a colon, nor
    a part such as ``..`` or ``.`` is accepted.
    """
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and path.as_posix() == name
        and not path.is_absolute()
        and not PureWindowsPath(name).drive
        and ".." not in path.parts
        and not any(mark in name for mark in "\\:\0")
    )


def unsafe(path: Path, what: str) -> UnsafeModelError:
    """Make the error for a file that must not be loaded."""
    return UnsafeModelError(
        f"the file {what}",
        subject=str(path),
        remedy="Do not use this folder unless you know why the file is there; a "
        "model for Midfill holds safetensors, JSON and text alone",
    )


def _refuse_kind(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise unsafe(path, "can hold a pickle, which runs code when it is read")
    if suffix in _CODE:
        raise unsafe(path, "is code")
    if path.name.startswith("chat_template"):
        raise unsafe(path, "is a chat template, which is a program, and not needed")
    if suffix not in _ALLOWED_SUFFIXES and path.name not in _ALLOWED_NAMES:
        raise unsafe(path, "is of a kind that no model needs")


def _refuse_keys(path: Path) -> None:
    waiting = [read_json(path)]
    while waiting:
        match waiting.pop():
            case dict() as members:
                for key in sorted(_FORBIDDEN_KEYS.intersection(members)):
                    raise unsafe(
                        path, f"has the key {key!r}, by which a model brings code"
                    )
                waiting.extend(members.values())
            case list() as items:
                waiting.extend(items)
            case _:
                pass
