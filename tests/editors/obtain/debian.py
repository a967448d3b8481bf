"""Debian's packages: installed on the system, or unpacked into a private folder.

An editor of another release of Debian brings its own libraries, and runs through its
own dynamic linker; nothing of it is installed. apt checks the signatures as always.
"""

import hashlib
import os
import platform
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from obtain.record import UnobtainableError
from obtain.shell import require, run

__all__ = ["LINKER", "Suite", "install_on_system", "mirror"]

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
LINKER = f"{LIBRARIES}/ld-linux-x86-64.so.2"


def mirror(targets: str) -> str:
    """Return the address of Debian's archive that this machine's apt uses.

    Args:
        targets: What ``apt-get indextargets`` printed, one address a line.

    Raises:
        UnobtainableError: apt knows no archive of Debian.
    """
    for line in targets.splitlines():
        address = line.strip().rstrip("/")
        if address.rpartition("/")[2] == "debian":
            return address
    raise UnobtainableError("apt is configured with no archive of Debian")


def install_on_system(packages: Sequence[str]) -> None:
    """Install packages of this machine's own release, unless they are there.

    Raises:
        UnobtainableError: This is no Debian, we are not root, or apt fails.
    """
    require("apt-get", "dpkg-query")
    missing = [name for name in packages if not _is_installed(name)]
    if not missing:
        return
    if os.geteuid():
        raise UnobtainableError(f"only root can install {' '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"]
    run([*apt, "update"], environment=quiet)
    command = [*apt, "install", "-y", "--no-install-recommends", *missing]
    run(command, environment=quiet)


def _is_installed(package: str) -> bool:
    try:
        status = run(["dpkg-query", "-W", "-f=${Status}", package])
    except UnobtainableError:
        return False
    return status.endswith(" installed")


class Suite:
    """One release of Debian, read by an apt with a configuration of its own.

    Args:
        name: The release's name.
        folder: Where its package lists are kept.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._lock = threading.Lock()
        self._environment: dict[str, str] | None = None

    def unpack(self, packages: Sequence[str], into: Path) -> dict[str, str]:
        """Unpack packages and all that they depend on.

        Returns:
            The SHA-256 of each package's file, by its name.

        Raises:
            UnobtainableError: This machine has no apt, or apt fails.
        """
        shutil.rmtree(into, ignore_errors=True)
        archives = into / "archives"
        (archives / "partial").mkdir(parents=True)
        environment = self._apt()
        # apt locks its state, so that one downloads at a time.
        with self._lock:
            run(
                [
                    *("apt-get", "-qq", "-y", "install", "--download-only"),
                    *("-o", f"Dir::Cache::archives={archives}"),
                    *packages,
                ],
                environment=environment,
            )
        checksums = {}
        for file in sorted(archives.glob("*.deb")):
            checksums[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
            run(["dpkg-deb", "-x", file, into / "root"])
        shutil.rmtree(archives)
        return checksums

    def download(self, package: str, into: Path) -> None:
        """Download one package's file, and nothing that it depends on.

        Args:
            package: Its name, or ``name=version``.
            into: An existing folder.

        Raises:
            UnobtainableError: This machine has no apt, or apt fails.
        """
        run(["apt-get", "-qq", "download", package], cwd=into, environment=self._apt())

    def _apt(self) -> dict[str, str]:
        """Return the variables that make apt read this suite's lists, fetched once."""
        with self._lock:
            if self._environment is None:
                self._environment = self._update()
            return self._environment

    def _update(self) -> dict[str, str]:
        """Fetch the package lists; return the variables that make apt read them."""
        require("apt-get", "dpkg-deb")
        if platform.machine() != "x86_64":
            raise UnobtainableError("the packages are unpacked on x86-64 alone")
        ask = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
        address = mirror(run([*ask, "Created-By: Packages"]))
        folder = self._folder
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        sources = f"deb [signed-by={KEYRING}] {address} {self.name} main\n"
        (folder / "sources.list").write_text(sources, encoding="utf-8")
        places = {
            "Dir::State": folder,
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Install-Recommends": "0",
            "Acquire::Languages": "none",
        }
        lines = [f'{option} "{value}";\n' for option, value in places.items()]
        (folder / "apt.conf").write_text("".join(lines), encoding="utf-8")
        environment = {"APT_CONFIG": str(folder / "apt.conf")}
        update = ["apt-get", "-qq", "update", "-o", "APT::Update::Error-Mode=any"]
        run(update, environment=environment)
        return environment
