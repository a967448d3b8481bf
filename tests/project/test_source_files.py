"""Which files of a workspace are read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.index.source_files import (
    SourceFiles,
    kind_of,
    read_source_file,
)

LIMIT = 1000


def write(root: Path, *names: str) -> None:
    """Write files, and the folders that they are in."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n", encoding="utf-8")


def found(root: Path) -> set[str]:
    """Return the paths of the source files."""
    files = SourceFiles(root, PathRules(), max_bytes=LIMIT)
    return {
        f"{each.folder}/{name}".lstrip("/")
        for each in files.walk()
        for name in each.files
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository."""
    (tmp_path / "w" / ".git" / "info").mkdir(parents=True)
    return tmp_path / "w"


def test_source_counts_and_nothing_else(root: Path) -> None:
    """By the name; caches, environments and packages of others are left out."""
    write(root, "a.py", "src/b.ts", "Makefile", "deep/er/c.rs", "vendored/x/d.go")
    write(
        root, "a.json", "README.md", "LICENSE", "poetry.lock", "a.png", ".hidden/a.py"
    )
    write(root, "node_modules/a/index.js", "__pycache__/a.py", "env/lib/a.py")
    write(root, "target/CACHEDIR.TAG", "target/gen.rs", "env/pyvenv.cfg")
    (root / "large.py").write_text("x" * (LIMIT + 1), encoding="utf-8")
    (root / os.fsdecode(b"\xff.py")).touch()
    expected = {"a.py", "src/b.ts", "Makefile", "deep/er/c.rs", "vendored/x/d.go"}
    assert expected == found(root)


def test_ignore_files_hold(root: Path) -> None:
    """Nested ones, negated ones, the repository's own and Midfill's."""
    write(root, "a.py", "gen/b.py", "gen/keep/c.py", "lib/d.py", "lib/e_pb2.py", "f.py")
    (root / ".gitignore").write_text("gen/*\n!gen/keep/\n", encoding="utf-8")
    (root / "lib" / ".gitignore").write_text("*_pb2.py\n", encoding="utf-8")
    (root / ".git" / "info" / "exclude").write_text("/f.py\n", encoding="utf-8")
    (root / ".midfillignore").write_text("d.py\n", encoding="utf-8")
    assert {"a.py", "gen/keep/c.py"} == found(root)


def test_links_are_not_followed(root: Path) -> None:
    """Neither out of the workspace, nor in a loop."""
    write(root.parent, "outside/secret.py")
    write(root, "sub/a.py")
    (root / "sub" / "loop").symlink_to(root)
    (root / "out").symlink_to(root.parent / "outside")
    (root / "b.py").symlink_to(root.parent / "outside" / "secret.py")
    assert {"sub/a.py"} == found(root)
    assert read_source_file(root / "b.py", max_bytes=LIMIT) is None


def test_what_cannot_be_read_costs_itself_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without permission; for root, who may read everything, it is made up."""
    write(root, "closed/a.py", "open/b.py")
    scan = os.scandir

    def refuse(path: Path) -> object:
        if path == root / "closed":
            raise PermissionError
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert {"open/b.py"} == found(root)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"x = '\xe9'"),
        lambda path: path.write_bytes(b"a\0b"),
        lambda path: path.write_bytes(b"x" * (LIMIT + 1)),
        lambda path: path.mkdir(),
        os.mkfifo,
        str,
    ],
    ids=["encoding", "binary", "large", "folder", "pipe", "missing"],
)
def test_what_is_no_text_is_not_read(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    """Other encodings, binary data, too much, folders, pipes and nothing at all."""
    make(tmp_path / "a.py")
    assert read_source_file(tmp_path / "a.py", max_bytes=LIMIT) is None


def test_a_change_while_it_is_read_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is used, and is known not to be the last word."""
    path = tmp_path / "a.py"
    path.write_text("old = 1\n", encoding="utf-8")
    states = []
    status = os.fstat

    def change(descriptor: int) -> os.stat_result:
        states.append(status(descriptor))
        path.write_text("much_newer = 1\n", encoding="utf-8")
        return states[-1]

    read = read_source_file(path, max_bytes=LIMIT)
    assert read is not None
    assert read.is_whole
    monkeypatch.setattr(os, "fstat", change)
    changed = read_source_file(path, max_bytes=LIMIT)
    assert changed is not None
    assert not changed.is_whole


@pytest.mark.parametrize(
    ("name", "language_id", "kind"),
    [
        ("a.h", "", "c"),
        ("a.cc", "", "c"),
        ("a.tsx", "", "javascript"),
        ("a.py", "plaintext", "python"),
        ("n.ipynb", "python", "python"),
        ("notes.md", "", None),
        ("untitled", "", None),
    ],
)
def test_kinds_of_languages(name: str, language_id: str, kind: str | None) -> None:
    """The name comes before what the editor says."""
    assert kind == kind_of(Path(name), language_id)
