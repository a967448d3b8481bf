"""npm's packages: Node.js itself, and code-server, which is VS Code in a browser."""

import json
import shutil
from pathlib import Path

from obtain.record import UnobtainableError
from obtain.shell import require, run

__all__ = ["install"]

_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def install(
    packages: tuple[str, ...],
    into: Path,
    *,
    npm: str | Path = "npm",
    inner: tuple[str, ...] = (),
) -> dict[str, str]:
    """Install packages of exact versions into a folder of their own.

    Args:
        packages: Each with its exact version, as ``name@version``.
        into: The folder, made anew.
        npm: The npm that installs.
        inner: Folders inside of ``into`` that have dependencies of their own.

    Returns:
        npm's checksum of each package, by ``name@version``.

    Raises:
        UnobtainableError: There is no npm, or it fails.
    """
    require(str(npm))
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    (into / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    run([npm, "install", *_QUIET, "--save-exact", *packages], cwd=into)
    for folder in inner:
        # `npm ci` fails there: its lock does not agree with its package.json.
        run([npm, "install", "--omit=dev", *_QUIET], cwd=into / folder)
    lock = into / "node_modules" / ".package-lock.json"
    try:
        installed = json.loads(lock.read_text(encoding="utf-8"))["packages"]
        return {
            package: installed[f"node_modules/{package.rpartition('@')[0]}"][
                "integrity"
            ]
            for package in packages
        }
    except (OSError, KeyError, ValueError) as exc:
        raise UnobtainableError(f"npm kept no record of {' '.join(packages)}") from exc
