"""Packages of every kind are found, and list their own regular files alone."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lsp_server.errors import CorpusError
from training.corpus import sources
from training.corpus.sources import (
    DAMAGE,
    Kind,
    Location,
    Member,
    TooLargeError,
    find_locations,
    folder_members,
    installed_members,
    tar_members,
    zip_members,
)

ESCAPES = ["../out.py", "/out.py", "a/../../out.py", "..\\out.py", "C:/out.py"]


@pytest.mark.parametrize("name", ESCAPES)
def test_passes_over_paths_that_lead_out(
    write_zip: Callable[..., Path], name: str
) -> None:
    """A zip's members stay inside the zip."""
    archive = write_zip("a.zip", {name: "x = 1\n", "in.py": "y = 2\n"})
    assert ["in.py"] == [member.path for member in zip_members(archive)]


@pytest.mark.parametrize("name", ESCAPES)
def test_passes_over_tar_paths_that_lead_out(tmp_path: Path, name: str) -> None:
    """A tar's members stay inside the tar."""
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        for member in (name, "in.py"):
            entry = tarfile.TarInfo(member)
            entry.size = 1
            opened.addfile(entry, io.BytesIO(b"x"))
    assert ["in.py"] == [member.path for member in tar_members(archive)]


def test_passes_over_links_in_a_zip(tmp_path: Path) -> None:
    """A symbolic link in a wheel is no file."""
    archive = tmp_path / "a.whl"
    with zipfile.ZipFile(archive, "w") as opened:
        link = zipfile.ZipInfo("link.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
        opened.writestr("real.py", "x = 1\n")
    assert ["real.py"] == [member.path for member in zip_members(archive)]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_passes_over_special_files_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    """Links, devices and pipes in an sdist are no files."""
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        entry = tarfile.TarInfo("link.py")
        entry.type = kind
        entry.linkname = "/etc/passwd"
        opened.addfile(entry)
    assert [] == list(tar_members(archive))


def test_passes_over_links_in_a_folder(tmp_path: Path) -> None:
    """Neither a linked file nor a linked folder is followed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("x = 1\n")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "real.py").write_text("y = 2\n")
    (inside / "file.py").symlink_to(outside / "secret.py")
    (inside / "folder").symlink_to(outside)
    assert ["real.py"] == [member.path for member in folder_members(inside)]


def test_leaves_environments_out(write_folder: Callable[..., Path]) -> None:
    """A project's environment, caches and build results are not its source."""
    folder = write_folder(
        "project",
        {
            "src/a.py": "x",
            ".git/hook.py": "x",
            ".venv/lib/b.py": "x",
            "venv/lib/c.py": "x",
            "build/lib/a.py": "x",
            "src/__pycache__/d.py": "x",
        },
    )
    assert ["src/a.py"] == [member.path for member in folder_members(folder)]


def test_reads_what_the_record_names(write_installed: Callable[..., Path]) -> None:
    """An installed package has its own files, not those of its neighbour."""
    write_installed("beta", {"beta.py": "b = 1\n"})
    info = write_installed("alpha", {"alpha.py": "a = 1\n"})
    contents = {m.path: m.read(100) for m in installed_members(info)}
    assert b"a = 1\n" == contents["alpha.py"]
    assert "beta.py" not in contents


@pytest.mark.parametrize("name", ["../out.py", "linked/out.py", "link.py", "gone.py"])
def test_record_does_not_lead_out(
    write_installed: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    """A RECORD that names files elsewhere, links or nothing gets nothing."""
    info = write_installed("alpha", {"alpha.py": "a = 1\n"})
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    for secret in (outside / "out.py", tmp_path / "out.py"):
        secret.write_text("x = 1\n")
    (info.parent / "linked").symlink_to(outside)
    (info.parent / "link.py").symlink_to(outside / "out.py")
    (info / "RECORD").write_text(f"{name},,\nalpha.py,,\n")
    assert ["alpha.py"] == [member.path for member in installed_members(info)]


def test_reads_no_more_than_asked(write_zip: Callable[..., Path]) -> None:
    """A member that unpacks to much gives as much as was asked for."""
    archive = write_zip("a.zip", {"big.py": b"0" * 1_000_000})
    (content,) = (member.read(10) for member in zip_members(archive))
    assert b"0" * 10 == content


@pytest.mark.parametrize("limit", ["_MOST_MEMBERS", "_MOST_BYTES"])
@pytest.mark.parametrize("kind", ["zip", "tar", "folder", "installed"])
def test_refuses_too_much(
    monkeypatch: pytest.MonkeyPatch,
    write_zip: Callable[..., Path],
    write_sdist: Callable[..., Path],
    write_folder: Callable[..., Path],
    write_installed: Callable[..., Path],
    *,
    limit: str,
    kind: str,
) -> None:
    """A source with too many files or bytes is refused before it is read."""
    files = {"a.py": "12345", "b.py": "12345"}
    listings: dict[str, Callable[[], Iterator[Member]]] = {
        "zip": lambda: zip_members(write_zip("a.zip", files)),
        "tar": lambda: tar_members(write_sdist("alpha", files)),
        "folder": lambda: folder_members(write_folder("alpha", files)),
        "installed": lambda: installed_members(write_installed("alpha", files)),
    }
    monkeypatch.setattr(sources, limit, 1)
    with pytest.raises(TooLargeError):
        list(listings[kind]())


@pytest.mark.parametrize("name", ["a.whl", "a.tar.gz"])
@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4" + b"\0" * 60])
def test_damage_is_foreseen(tmp_path: Path, name: str, content: bytes) -> None:
    """A broken archive raises one of the errors that callers expect."""
    archive = tmp_path / name
    archive.write_bytes(content)
    listing = zip_members if name.endswith("whl") else tar_members
    with pytest.raises(DAMAGE):
        list(listing(archive))


def test_truncation_is_foreseen(write_sdist: Callable[..., Path]) -> None:
    """An sdist that was cut off raises one of the errors that callers expect."""
    archive = write_sdist("alpha", {"a.py": bytes(range(256)) * 200})
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(DAMAGE):
        [member.read(100_000) for member in tar_members(archive)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a-1.0-py3-none-any.whl", Kind.WHEEL),
        ("a-1.0.tar.gz", Kind.TAR),
        ("a-1.0.tgz", Kind.TAR),
        ("a-1.0.zip", Kind.ZIP),
        ("A-1.0.ZIP", Kind.ZIP),
    ],
)
def test_knows_archives(tmp_path: Path, name: str, kind: Kind) -> None:
    """An archive is known by its name, named itself or found in a folder."""
    archive = tmp_path / "deep" / "folder" / name
    archive.parent.mkdir(parents=True)
    archive.touch()
    expected = (Location(archive, kind),)
    assert expected == find_locations([archive])
    assert expected == find_locations([tmp_path])


def test_knows_installed_packages(write_installed: Callable[..., Path]) -> None:
    """A site-packages folder holds the packages whose metadata lies there."""
    infos = [write_installed(name, {}) for name in ("alpha", "beta")]
    found = find_locations([infos[0].parent])
    assert tuple(Location(info, Kind.INSTALLED) for info in infos) == found


@pytest.mark.parametrize("name", ["pyproject.toml", "PKG-INFO", "LICENSE", "COPYING"])
def test_knows_projects(write_folder: Callable[..., Path], name: str) -> None:
    """A folder with a project's file is one package."""
    folder = write_folder("project", {name: "", "a.py": ""})
    assert (Location(folder, Kind.FOLDER),) == find_locations([folder])


def test_counts_a_source_once(write_wheel: Callable[..., Path]) -> None:
    """An archive that is named twice, or also found in its folder, is one source."""
    archive = write_wheel("alpha", {})
    found = find_locations([archive, archive.parent, archive])
    assert 1 == len(found)


@pytest.mark.parametrize("name", ["missing", "notes.txt", "empty"])
def test_says_that_there_is_nothing(tmp_path: Path, name: str) -> None:
    """A source that is missing or is no source is an error that names it."""
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError) as caught:
        find_locations([tmp_path / name])
    assert str(tmp_path / name) == caught.value.subject


def test_takes_the_outermost_folder_off(write_sdist: Callable[..., Path]) -> None:
    """An sdist's files are named as in the project."""
    (location,) = find_locations([write_sdist("alpha", {"src/a.py": "x"})])
    assert {"PKG-INFO", "src/a.py"} == {member.path for member in location.members()}
