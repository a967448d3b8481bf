"""Real edits: files that differ between two releases of permissively licensed packages.

Nothing of these packages is in the repository. They are fetched by name and exact
version through pip, npm and apt, and a file with another checksum is refused.

The shipped model was trained on Python alone. The Python packages here are among those
that its corpus set aside (``held-out`` in ``docs/training/corpus-manifest.json.gz``).
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "editors"))

from obtain.debian import Suite

__all__ = [
    "PACKAGES",
    "ChangedFile",
    "Package",
    "Release",
    "Sources",
    "changed_files",
    "texts_of",
]

_LEAST_CHARS, _MOST_CHARS = 1_500, 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a package.

    Attributes:
        version: The version.
        sha256: Of the wheel, tarball or Debian package.
        suite: The release of Debian that has it; empty elsewhere.
    """

    version: str
    sha256: str
    suite: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The files of one language in a package.

    Attributes:
        name: The package's name in the registry.
        registry: ``pypi``, ``npm`` or ``debian``.
        licence: Its licence's SPDX id.
        language_id: Of the files.
        suffix: Of these files.
        without: Files whose path has this in it are left out.
    """

    name: str
    registry: str
    licence: str
    language_id: str
    suffix: str
    without: str = "/test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Sources):
    """A package of which two releases are compared.

    Attributes:
        old: The release that the edits start from.
        new: The release that they lead to.
    """

    old: Release
    new: Release


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """A file in two releases.

    Attributes:
        package: Its package.
        path: Its path in both.
        old: Its text in the older one.
        new: Its text in the newer one.
    """

    package: Package
    path: str
    old: str
    new: str


PACKAGES = (
    Package(
        name="cookiecutter",
        registry="pypi",
        licence="BSD-3-Clause",
        language_id="python",
        suffix=".py",
        old=Release(
            version="2.6.0",
            sha256="a54a8e37995e4ed963b3e82831072d1ad4b005af736bb17b99c2cbd9d41b6e2d",
        ),
        new=Release(
            version="2.7.1",
            sha256="cee50defc1eaa7ad0071ee9b9893b746c1b3201b66bf4d3686d0f127c8ed6cf9",
        ),
    ),
    Package(
        name="pyngrok",
        registry="pypi",
        licence="MIT",
        language_id="python",
        suffix=".py",
        old=Release(
            version="7.2.0",
            sha256="1e96ab1229736e2e030fa8975805ab1fa9e463178f83337fc07fdd2b4e8dbed6",
        ),
        new=Release(
            version="9.1.0",
            sha256="c7b71b584502ea57675d0b590e99543971e6a6d671b43522154c675a05736c81",
        ),
    ),
    Package(
        name="@tanstack/query-core",
        registry="npm",
        licence="MIT",
        language_id="typescript",
        suffix=".ts",
        old=Release(
            version="5.90.2",
            sha256="e64f205c927de2e109b9bb3ec76834f5d3486f7c46d2e4d872ca3453ca80d454",
        ),
        new=Release(
            version="5.108.0",
            sha256="295e04168c1afddc3c0c95a88751b4c3bb69ebe56aee81b523b41bb37daea815",
        ),
        without="/build/",
    ),
    Package(
        name="golang-github-spf13-cobra-dev",
        registry="debian",
        licence="Apache-2.0",
        language_id="go",
        suffix=".go",
        old=Release(
            version="1.6.1-1",
            sha256="4f5d20855133319beef3c5b49d3c21a0406f270bf94fb4b6f4d406b691283cb2",
            suite="bookworm",
        ),
        new=Release(
            version="1.8.1-1",
            sha256="139ec86efbe938a99ae70a7d695334fdc7c691a617c5739f36932b0de4ecdfd9",
            suite="trixie",
        ),
        without="_test.go",
    ),
    Package(
        name="tree-sitter",
        registry="npm",
        licence="MIT",
        language_id="c",
        suffix=".c",
        old=Release(
            version="0.22.4",
            sha256="50f91e305aeb80284ffdcc383ab68cebbcf4d87d02ebceafe5b21a058fb93f18",
        ),
        new=Release(
            version="0.25.1",
            sha256="07aeba8dd71630e7e72b2d4ca3bd2680c3471824100cc5ebff44e78a6ed0b6d3",
        ),
    ),
)


def changed_files(package: Package, cache: Path) -> Iterator[ChangedFile]:
    """Yield the files that both releases have and that differ, by their paths.

    Files that are very short, very long, or have other line ends than line feeds are
    left out.

    Args:
        package: The package, which is fetched where the cache has it not.
        cache: The folder where fetched files are kept.
    """
    old, new = (texts_of(package, each, cache) for each in (package.old, package.new))
    for path in sorted(old.keys() & new.keys()):
        texts = (old[path], new[path])
        fit = all(
            _LEAST_CHARS <= len(text) <= _MOST_CHARS and "\r" not in text
            for text in texts
        )
        if fit and texts[0] != texts[1]:
            yield ChangedFile(package=package, path=path, old=texts[0], new=texts[1])


def texts_of(package: Sources, release: Release, cache: Path) -> dict[str, str]:
    """Return a release's files of the package's language, without its outermost folder.

    Declarations that were generated (``.d.ts``) are left out.
    """
    found = {}
    for name, content in _members(_fetched(package, release, cache)):
        is_wanted = name.endswith(package.suffix) and not name.endswith(".d.ts")
        if is_wanted and package.without not in f"/{name}":
            try:
                found[name] = content.decode()
            except UnicodeDecodeError:
                continue
    return found


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file of an archive; nothing is unpacked."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                yield name, wheel.read(name)
        return
    source: Path | io.BytesIO = archive
    if archive.suffix == ".deb":
        unpack = ["dpkg-deb", "--fsys-tarfile", str(archive)]
        done = subprocess.run(unpack, check=True, capture_output=True)
        source = io.BytesIO(done.stdout)
    with _open_tar(source) as tarball:
        for member in tarball:
            file = tarball.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()


def _open_tar(source: Path | io.BytesIO) -> tarfile.TarFile:
    if isinstance(source, Path):
        return tarfile.open(source)
    return tarfile.open(fileobj=source)


def _fetched(package: Sources, release: Release, cache: Path) -> Path:
    """Return a release's file, which is fetched where the cache has it not.

    Raises:
        ValueError: Its checksum is another one.
        subprocess.CalledProcessError: It cannot be fetched.
        UnobtainableError: It cannot be fetched from Debian.
    """
    folder = cache / package.name.replace("/", "-") / release.version
    if not any(folder.glob("*")):
        folder.mkdir(parents=True, exist_ok=True)
        if release.suite:
            lists = cache.resolve() / f"lists-{release.suite}"
            lists.mkdir(exist_ok=True)
            suite = Suite(release.suite, lists)
            suite.download(f"{package.name}={release.version}", folder)
        else:
            subprocess.run(_command(package, release, folder), check=True, cwd=folder)
    (archive,) = folder.iterdir()
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != release.sha256:
        raise ValueError(f"{archive} has the SHA-256 {found}, not {release.sha256}")
    return archive


def _command(package: Sources, release: Release, folder: Path) -> Sequence[str]:
    """Return the command that downloads a release's file into a folder."""
    if package.registry == "npm":
        return ["npm", "pack", "--silent", f"{package.name}@{release.version}"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    only = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    return [*pip, *only, f"{package.name}=={release.version}"]
