"""Install a locked requirement file into a virtual environment of its own.

``python3 requirements/install.py DIRECTORY LOCK`` makes the virtual environment
DIRECTORY if it is not there, and installs what ``requirements/LOCK.txt`` pins: cpu,
cuda, s3, ray, training, quantize, gptqmodel, dev, deploy-tools, mutants or editors. It
runs on the system's Python and needs nothing but ``venv``.

pip brings uv, and uv brings the rest, since uv installs vLLM's 150 packages in a
fraction of pip's time. uv does not read pip's configuration, so what a machine's owner
set there (a mirror, a proxy, a certificate) is handed on to it.
"""

import argparse
import ast
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent
ROOT = REQUIREMENTS.parent

Command = list[str | Path]

LOCKS = (
    "cpu",
    "cuda",
    "s3",
    "ray",
    "training",
    "quantize",
    "gptqmodel",
    "dev",
    "deploy-tools",
    "mutants",
    "editors",
)
LOCKS_ON_CPU_TORCH = ("cpu", "quantize")
LOCKS_WITH_MIDFILL = ("cpu", "cuda")
# Its packages are built apart, with tools that the environment has in other versions.
LOCKS_BUILT_APART = ("gptqmodel",)
PYTORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"

OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 13)

# pip's option, and the environment variable by which uv learns the same.
UV_VARIABLES = {
    "cert": "SSL_CERT_FILE",
    "index-url": "UV_DEFAULT_INDEX",
    "proxy": "ALL_PROXY",
}


def why_unsupported(version: tuple[int, int], system: str, machine: str) -> str | None:
    """Return why the locks do not fit this interpreter and machine; None if they do."""
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return (
            f"Midfill needs Python 3.{OLDEST_PYTHON[1]} to 3.{NEWEST_PYTHON[1]}, and "
            f"this is Python {version[0]}.{version[1]} ({sys.executable}). "
            "Name another one: make PYTHON=/path/to/python3.12"
        )
    if (system, machine) != ("Linux", "x86_64"):
        return (
            f"The locked builds are for Linux on x86-64, and this is {system} on "
            f"{machine}."
        )
    return None


def uv_environment(pip_config: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Add pip's settings to ``environment`` under the names that uv reads.

    Args:
        pip_config: What ``pip config list`` printed: ``global.index-url='...'``, and
            ``:env:.index-url='...'`` for a PIP_ variable, which wins.
        environment: The variables of this process; those that are set stay.
    """
    found: dict[str, str] = {}
    for line in sorted(pip_config.splitlines(), key=lambda line: line[:1] == ":"):
        place, _, value = line.partition("=")
        option = place.rpartition(".")[2]
        if option in UV_VARIABLES:
            found[UV_VARIABLES[option]] = str(ast.literal_eval(value))
    return found | dict(environment)


def run(command: Command, environment: Mapping[str, str] | None = None) -> int:
    """Run a command in the repository's root and return its exit status."""
    finished = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    return finished.returncode


def must_run(command: Command, environment: Mapping[str, str] | None = None) -> None:
    """Run a command, and end this program with its exit status if it fails."""
    if status := run(command, environment):
        sys.exit(status)


def install_cpu_torch(pip: Command) -> None:
    """Install PyTorch's CPU build, from where pip looks or from PyTorch's index.

    The second is asked only if the first has none: an index that cannot be reached
    costs minutes of retries.
    """
    install: Command = [
        *pip,
        *("install", "--no-deps", "--no-compile", "--require-hashes", "--quiet"),
        *("--requirement", REQUIREMENTS / "torch-cpu.txt"),
    ]
    if run([*install, "-qq"]):
        print(f"    not there; asking {PYTORCH_CPU_INDEX}", flush=True)
        if status := run([*install, "--index-url", PYTORCH_CPU_INDEX]):
            # What pip says of an index that it cannot reach is about dependencies.
            print(
                f"{PYTORCH_CPU_INDEX} did not give the build in "
                "requirements/torch-cpu.txt for this Python. If it cannot be reached "
                "from here, put the wheel into a folder and name that folder: "
                "PIP_FIND_LINKS=FOLDER make install",
                file=sys.stderr,
            )
            sys.exit(status)


def install(
    directory: Path,
    lock: str,
    wheel: Path | None = None,
    *,
    with_midfill: bool = True,
) -> None:
    """Bring ``directory`` to what ``lock`` pins.

    Args:
        directory: The virtual environment.
        lock: Which requirement file.
        wheel: Midfill itself, built; None installs the repository, to be edited.
        with_midfill: Whether Midfill itself is installed, if the lock is for it.
    """
    python = directory / "bin" / "python"
    uv = directory / "bin" / "uv"
    pip: Command = [python, "-m", "pip", "--disable-pip-version-check"]
    if not (directory / "bin" / "pip").exists():
        say(f"making a virtual environment in {directory}")
        must_run([sys.executable, "-m", "venv", directory])
    say("installing uv")
    quiet = ["install", "--quiet", "--require-hashes", "--requirement"]
    must_run([*pip, *quiet, REQUIREMENTS / "uv.txt"])
    if lock in LOCKS_ON_CPU_TORCH:
        say("installing PyTorch's CPU build")
        install_cpu_torch(pip)
    listed = subprocess.run(
        [*pip, "config", "list"], capture_output=True, text=True, check=True
    )
    environment = uv_environment(listed.stdout, os.environ)
    uv_install: Command = [uv, "pip", "install", "--python", python, "--no-deps"]
    say(f"installing requirements/{lock}.txt")
    must_run(
        [
            *uv_install,
            *("--quiet", "--require-hashes", *build_options(lock)),
            *("--requirement", REQUIREMENTS / f"{lock}.txt"),
        ],
        environment | {"BUILD_CUDA_EXT": "0"},
    )
    if lock in LOCKS_WITH_MIDFILL and with_midfill:
        say("installing midfill itself")
        itself = midfill_itself(wheel)
        must_run([*uv_install, "--quiet", "--no-build-isolation", *itself], environment)


def midfill_itself(wheel: Path | None) -> Command:
    """Return what uv installs Midfill from: a wheel, else the repository as it lies."""
    return ["--editable", ROOT] if wheel is None else [wheel]


def build_options(lock: str) -> list[str | Path]:
    """Return uv's options for the packages of a lock that have to be built.

    Built apart means with locked tools of their own; else what is installed builds.
    """
    if lock in LOCKS_BUILT_APART:
        return ["--build-constraints", REQUIREMENTS / f"{lock}-build.txt"]
    return ["--no-build-isolation"]


def say(what: str) -> None:
    """Print a line for the person who ran make."""
    print(f"==> {what}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, and tell how long it took."""
    parser = argparse.ArgumentParser(description="Install a locked requirement file.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("lock", choices=LOCKS)
    parser.add_argument("--wheel", type=Path, help="install Midfill from this wheel")
    parser.add_argument(
        "--without-midfill", action="store_true", help="install what is locked, alone"
    )
    chosen = parser.parse_args(arguments)
    version = (sys.version_info.major, sys.version_info.minor)
    reason = why_unsupported(version, platform.system(), platform.machine())
    if reason is not None:
        print(reason, file=sys.stderr)
        return 1
    started = time.monotonic()
    install(
        chosen.directory.absolute(),
        chosen.lock,
        chosen.wheel and chosen.wheel.absolute(),
        with_midfill=not chosen.without_midfill,
    )
    say(f"done in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
