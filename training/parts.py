"""``python -m training.parts``: carries a folder between machines in small files.

A folder of a model or a corpus becomes files of at most a given size, each with its
hash, from which `join` makes the same folder again. Weights of 16 bits become a third
smaller: their exponents, which are much alike, are stored apart from the rest. Gzipped
text is stored as xz.

Source: that exponents of bfloat16 weights take under three bits each is shown by Zhang
et al., arXiv 2504.11651 (DFloat11).
"""

import argparse
import gzip
import hashlib
import json
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import numpy as np

from lsp_server.commands.terminal import positive
from lsp_server.errors import MidfillError, TrainingError
from lsp_server.files import WholeFolder
from lsp_server.hardware import read_cpu

__all__ = ["MIB", "join", "main", "split"]

MIB = 1024 * 1024
_HEAD_BYTES = 512
"""Room for a part's first line."""

_GZIP_LEVEL = 6
"""That of the corpus builder's shards."""

_XZ_PRESET = 9
"""Its window of 64 MiB is as long as a shard."""

_Coder: TypeAlias = Callable[[bytes], bytes]
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """A file in the joined parts.

    Attributes:
        name: The file's name.
        coding: How it is packed, a key of `_UNPACKERS`.
        packed_bytes: Its length as packed.
        sha256: Hash of its content, that of a gzipped file before compression.
    """

    name: str
    coding: str
    packed_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The first line of a part.

    Attributes:
        number: Number of the part, from 1.
        of: Number of parts.
        sha256: Hash of what follows the line.
        whole_sha256: Hash of what follows it in all parts together.
    """

    number: int
    of: int
    sha256: str
    whole_sha256: str


def split(folder: Path, parts: Path, *, most_bytes: int = 16 * MIB) -> list[Path]:
    """Write the files of ``folder`` as parts, in place of an older folder of parts.

    Args:
        folder: A folder of files; folders in it are left out.
        parts: The folder for the parts.
        most_bytes: Size of a part at most.

    Raises:
        TrainingError: A file cannot be read or written, or there is none.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        packed = list(_in_parallel(_pack, files))
    except OSError as exc:
        raise _refusal(folder, f"it cannot be read ({exc.strerror})") from exc
    if not packed:
        raise _refusal(folder, "there is no file in it")
    index = json.dumps([asdict(entry) for entry, _ in packed]).encode() + b"\n"
    whole = b"".join((index, *(content for _, content in packed)))
    room = most_bytes - _HEAD_BYTES
    pieces = [whole[at : at + room] for at in range(0, len(whole), room)]
    whole_sha256 = _hash(whole)
    made = WholeFolder(output=parts, holds="parts", error=TrainingError)
    with made.unfinished() as unfinished:
        written = unfinished / "parts"
        written.mkdir()
        for number, piece in enumerate(pieces, start=1):
            head = _Head(
                number=number,
                of=len(pieces),
                sha256=_hash(piece),
                whole_sha256=whole_sha256,
            )
            path = written / f"part-{number:02}-of-{len(pieces):02}.bin"
            path.write_bytes(json.dumps(asdict(head)).encode() + b"\n" + piece)
        made.replace(written)
    return sorted(parts.iterdir())


def join(places: Iterable[Path], folder: Path) -> list[str]:
    """Make a folder again of its parts, and return the names of its files.

    Args:
        places: Parts, and folders of parts, in any order.
        folder: The folder to make; new or empty.

    Raises:
        TrainingError: A part is missing, damaged or of another folder, or the folder
            cannot be written.
    """
    made = WholeFolder(output=folder, holds="files", error=TrainingError)
    made.check()
    whole = _read_parts(places)
    line, _, content = whole.partition(b"\n")
    entries = [_Packed(**each) for each in json.loads(line)]
    ends = accumulate((entry.packed_bytes for entry in entries), initial=0)
    pieces = [content[first:last] for first, last in pairwise(ends)]
    with made.unfinished() as unfinished:
        written = unfinished / "files"
        written.mkdir()

        def write(number: int) -> None:
            entry = entries[number]
            found = _UNPACKERS[entry.coding](pieces[number])
            if _hash(_content(entry.name, found)) != entry.sha256:
                raise _refusal(folder / entry.name, "it is not what was packed")
            # The parts could come from anywhere; a name leads to no other folder.
            (written / Path(entry.name).name).write_bytes(found)

        list(_in_parallel(write, range(len(entries))))
        made.publish(written)
    return [entry.name for entry in entries]


def _read_parts(places: Iterable[Path]) -> bytes:
    """Return what all parts hold together."""
    found: dict[int, tuple[_Head, bytes]] = {}
    for place in places:
        for path in sorted(place.glob("part-*.bin")) if place.is_dir() else [place]:
            head, piece = _read_part(path)
            others = [other for other, _ in found.values()]
            if others and others[0].whole_sha256 != head.whole_sha256:
                raise _refusal(path, "it is a part of another folder")
            found[head.number] = head, piece
    if not found:
        raise _refusal(Path("part-*.bin"), "there is no such file")
    count = next(iter(found.values()))[0].of
    missing = [str(number) for number in range(1, count + 1) if number not in found]
    if missing:
        raise TrainingError(
            f"of {count} parts these are missing: {', '.join(missing)}",
            subject="parts",
            remedy="Fetch them, too",
        )
    return b"".join(found[number][1] for number in range(1, count + 1))


def _read_part(path: Path) -> tuple[_Head, bytes]:
    try:
        line, _, piece = path.read_bytes().partition(b"\n")
    except OSError as exc:
        raise _refusal(path, f"it cannot be read ({exc.strerror})") from exc
    try:
        head = _Head(**json.loads(line))
    except (ValueError, TypeError) as exc:
        raise _refusal(path, "it is no part") from exc
    if _hash(piece) != head.sha256:
        raise _refusal(path, "it is damaged")
    return head, piece


def _pack(path: Path) -> tuple[_Packed, bytes]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        coding, packed = (
            "xz",
            lzma.compress(gzip.decompress(content), preset=_XZ_PRESET),
        )
    elif path.suffix == ".safetensors" and not len(content) % 2:
        coding, packed = "exponents", _split_exponents(content)
    else:
        coding, packed = "deflate", zlib.compress(content, 9)
    entry = _Packed(
        name=path.name,
        coding=coding,
        packed_bytes=len(packed),
        sha256=_hash(_content(path.name, content)),
    )
    return entry, packed


def _split_exponents(content: bytes) -> bytes:
    """Return the exponents of 16-bit numbers, Huffman-coded, behind all other bits."""
    numbers = np.frombuffer(content, "<u2")
    exponents = (numbers >> 7 & 0xFF).astype(np.uint8)
    others = (numbers >> 8 & 0x80 | numbers & 0x7F).astype(np.uint8)
    coder = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
    packed = coder.compress(exponents.tobytes()) + coder.flush()
    return len(others).to_bytes(8, "little") + others.tobytes() + packed


def _join_exponents(packed: bytes) -> bytes:
    count = int.from_bytes(packed[:8], "little")
    others = np.frombuffer(packed[8 : 8 + count], np.uint8).astype(np.uint16)
    unpacked = zlib.decompress(packed[8 + count :])
    exponents = np.frombuffer(unpacked, np.uint8).astype(np.uint16)
    numbers = (others & 0x80) << 8 | exponents << 7 | others & 0x7F
    return numbers.astype("<u2").tobytes()


_UNPACKERS: Mapping[str, _Coder] = MappingProxyType(
    {
        "xz": lambda packed: gzip.compress(
            lzma.decompress(packed), _GZIP_LEVEL, mtime=0
        ),
        "exponents": _join_exponents,
        "deflate": zlib.decompress,
    }
)


def _content(name: str, stored: bytes) -> bytes:
    return gzip.decompress(stored) if name.endswith(".gz") else stored


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _in_parallel(work: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """Yield the results in order; compressing and hashing let other threads run."""
    with ThreadPoolExecutor(read_cpu().usable_processors) as pool:
        yield from pool.map(work, items)


def _refusal(path: Path, what: str) -> TrainingError:
    return TrainingError(
        what, subject=str(path), remedy="Name another, or fetch it again"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "split":
            parts = split(options.folder, options.out, most_bytes=options.mib * MIB)
            total = sum(path.stat().st_size for path in parts)
            print(f"{options.out}: {len(parts)} parts, {total:,} bytes")
        else:
            print(f"{options.out}: {', '.join(join(options.parts, options.out))}")
    except MidfillError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.parts",
        description="Carry a folder between machines in small files with hashes.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("split", help="make parts of a folder")
    one.add_argument("folder", type=Path, help="folder of a model or a corpus")
    one.add_argument("--out", type=Path, required=True, help="folder for the parts")
    one.add_argument("--mib", type=positive, default=16, help="MiB of a part (16)")
    other = commands.add_parser("join", help="make the folder again")
    other.add_argument("parts", type=Path, nargs="+", help="parts, or folders of them")
    other.add_argument("--out", type=Path, required=True, help="folder to make")
    return parser


if __name__ == "__main__":
    sys.exit(main())
