"""Packages extensions as they are given to users: ``.vsix`` files."""

import fcntl
import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "install_node_modules",
    "npm",
    "one_at_a_time",
    "package_extension",
    "package_test_extension",
]


def install_node_modules(root: Path) -> None:
    """Install what the extension is built and tested with, unless its lock stands."""
    folder = root / "editors" / "vscode"
    installed = folder / "node_modules" / ".package-lock.json"
    lock = folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm(root, "ci", "--no-audit", "--no-fund", cwd=folder)
        # npm may write it before it looks at the lock for the last time.
        installed.touch()


def package_extension(root: Path) -> Path:
    """Return the packaged extension, made anew where something in it is newer."""
    install_node_modules(root)
    folder = root / "editors" / "vscode"
    version = json.loads((folder / "package.json").read_text())["version"]
    package = folder / f"midfill-{version}.vsix"
    if not package.exists() or package.stat().st_mtime < _newest(root):
        npm(root, "run", "package", cwd=folder)
    return package


def _newest(root: Path) -> float:
    """Return when the newest file that goes into the package was changed."""
    folder = root / "editors" / "vscode"
    files = [*folder.glob("*.json"), *folder.glob("*.md"), root / "pyproject.toml"]
    for each in ("src", "media", "scripts"):
        files += (folder / each).rglob("*.*")
    for each in ("lsp_server", "models"):
        files += (root / each).rglob("*.*")
    files += (root / "requirements").glob("*.*")
    return max(file.stat().st_mtime for file in files if "__pycache__" not in str(file))


@contextmanager
def one_at_a_time(root: Path) -> Generator[None]:
    """Keep other test processes from packaging at the same time."""
    lock = root / "build" / "editors" / "packaging.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def package_test_extension(root: Path, name: str) -> Path:
    """Package an extension that lies beside the tests: ``runner``, for example."""
    folder = root / "tests" / "editors" / "vscode" / name
    output = root / "build" / "editors" / f"{name}.vsix"
    output.parent.mkdir(parents=True, exist_ok=True)
    vsce = root / "editors" / "vscode" / "node_modules" / ".bin" / "vsce"
    command = ("package", "--no-dependencies", "--skip-license", "--out", str(output))
    npm(root, "exec", "--", str(vsce), *command, cwd=folder)
    return output


def npm(root: Path, *arguments: str, cwd: Path) -> str:
    """Run the npm that was obtained, and return what it wrote."""
    programs = root / ".editors" / "bin"
    done = subprocess.run(
        [str(programs / "npm"), *arguments],
        cwd=cwd,
        env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout
