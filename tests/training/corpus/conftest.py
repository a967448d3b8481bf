"""Makes tiny packages of every kind."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

Files: TypeAlias = Mapping[str, str | bytes]
WritePackage: TypeAlias = Callable[..., Path]

WORDS = ("value", "total", "index", "name", "count", "line", "path", "key", "node")


def module(seed: int, *, lines: int = 30) -> str:
    """Write a small module that has no run of words in common with another seed's."""
    return "".join(
        f"def {WORDS[(seed + n) % 9]}_{seed}_{n}(item_{seed}_{n}):\n"
        f"    return item_{seed}_{n} + other_{seed}_{n}\n\n\n"
        for n in range(lines)
    )


def headers(name: str, version: str, fields: Mapping[str, str]) -> str:
    """Write core metadata."""
    lines = {"Metadata-Version": "2.4", "Name": name, "Version": version, **fields}
    return "".join(f"{key}: {value}\n" for key, value in lines.items()) + "\nText.\n"


@pytest.fixture
def make_module() -> Callable[[int], str]:
    """Return the writer of modules."""
    return module


@pytest.fixture
def write_zip(tmp_path: Path) -> WritePackage:
    """Return a writer of zip files."""

    def write(name: str, files: Files) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
            for member, content in files.items():
                opened.writestr(member, content)
        return path

    return write


@pytest.fixture
def write_wheel(write_zip: WritePackage) -> WritePackage:
    """Return a writer of wheels, MIT by default."""

    def write(
        name: str,
        files: Files,
        *,
        version: str = "1.0",
        folder: str = "wheels",
        **fields: str,
    ) -> Path:
        said = {key.replace("_", "-"): value for key, value in fields.items()}
        said = said or {"License-Expression": "MIT"}
        info = f"{name}-{version}.dist-info/METADATA"
        return write_zip(
            f"{folder}/{name}-{version}-py3-none-any.whl",
            {**files, info: headers(name, version, said)},
        )

    return write


@pytest.fixture
def write_sdist(tmp_path: Path) -> WritePackage:
    """Return a writer of sdists, MIT by default."""

    def write(name: str, files: Files, *, version: str = "1.0", **fields: str) -> Path:
        said = {key.replace("_", "-"): value for key, value in fields.items()}
        said = said or {"License-Expression": "MIT"}
        top = f"{name}-{version}"
        path = tmp_path / f"{top}.tar.gz"
        with tarfile.open(path, "w:gz") as opened:
            every = {"PKG-INFO": headers(name, version, said), **files}
            for member, content in every.items():
                data = content.encode() if isinstance(content, str) else content
                entry = tarfile.TarInfo(f"{top}/{member}")
                entry.size = len(data)
                opened.addfile(entry, io.BytesIO(data))
        return path

    return write


@pytest.fixture
def write_installed(tmp_path: Path) -> WritePackage:
    """Return an installer of packages into one ``site-packages`` folder."""

    def write(name: str, files: Files, *, version: str = "1.0") -> Path:
        root = tmp_path / "site-packages"
        info = f"{name}-{version}.dist-info"
        said = headers(name, version, {"License-Expression": "MIT"})
        every = {**files, f"{info}/METADATA": said}
        for member, content in every.items():
            path = root / member
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(data)
        record = "".join(f"{member},sha256=x,1\n" for member in every)
        (root / info / "RECORD").write_text(record)
        return root / info

    return write


@pytest.fixture
def write_folder(tmp_path: Path) -> WritePackage:
    """Return a writer of plain folders."""

    def write(name: str, files: Files) -> Path:
        root = tmp_path / name
        for member, content in files.items():
            path = root / member
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(data)
        return root

    return write


TASK = {
    "task_id": "Some/0",
    "prompt": "def add_first_numbers(numbers, limit):\n    chosen = sorted(numbers)\n",
    "canonical_solution": "    answer = sum(chosen[:limit])\n",
    "suffix": "    return answer\n",
    "test": "def check(candidate):\n    assert candidate([3, 5], 1) == 3\n",
}


@pytest.fixture
def evaluation_data(tmp_path: Path) -> Path:
    """Write one task of evaluation data, gzipped."""
    path = tmp_path / "tasks.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(TASK).encode() + b"\n"))
    return path
