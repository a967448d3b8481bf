"""Packages extensions as they are given to users: ``.vsix`` files."""

import fcntl
import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["one_at_a_time", "package_extension", "package_runner"]


def package_extension(root: Path) -> Path:
    """Return the packaged extension, made anew where its sources are newer."""
    folder = root / "editors" / "vscode"
    version = json.loads((folder / "package.json").read_text())["version"]
    package = folder / f"midfill-{version}.vsix"
    sources = [folder / "package.json", *(folder / "src").rglob("*.ts")]
    changed = max(source.stat().st_mtime for source in sources)
    if not package.exists() or package.stat().st_mtime < changed:
        _run(root, "run", "package", cwd=folder)
    return package


@contextmanager
def one_at_a_time(root: Path) -> Generator[None]:
    """Keep other test processes from packaging at the same time."""
    lock = root / "build" / "editors" / "packaging.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def package_runner(root: Path) -> Path:
    """Package the extension that runs the API tests in the extension host."""
    folder = root / "tests" / "editors" / "vscode" / "runner"
    output = root / "build" / "editors" / "runner.vsix"
    output.parent.mkdir(parents=True, exist_ok=True)
    vsce = root / "editors" / "vscode" / "node_modules" / ".bin" / "vsce"
    command = ("package", "--no-dependencies", "--skip-license", "--out", str(output))
    _run(root, "exec", "--", str(vsce), *command, cwd=folder)
    return output


def _run(root: Path, *arguments: str, cwd: Path) -> None:
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
