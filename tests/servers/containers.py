"""A real image of Midfill, built and run on this machine, without a registry."""

import ast
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("buildah", "podman", "runc", "mmdebstrap")
BASE = "localhost/midfill-test-base"
IMAGE = "localhost/midfill-test:cpu"
CUDA_BASE = "localhost/midfill-test-base-cuda"
RAY_IMAGE = "localhost/midfill-test:ray"
CUDA_IMAGE = "localhost/midfill-test:cuda"
# A Debian with what the Dockerfile asks apt for, so that a build can do without it.
PACKAGES = "python3,python3-venv,ca-certificates,libgomp1,libnuma1,tini"
CERTIFICATES = "/etc/ssl/certs"
# What works where no systemd runs, as in CI, and in a container of its own.
PODMAN = [
    *("podman", "--cgroup-manager", "cgroupfs", "--events-backend", "file"),
    *("--runtime", "runc"),
]
RESTRICTED = [
    *("--network", "host", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--memory", "6g"),
    *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"),
    *("--tmpfs", "/tmp:mode=1777,size=256m", "--env", "MIDFILL_DEVICE=cpu"),
]


def why_not() -> str:
    """Return why no container can be built and run here; empty if one can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "building needs root"


def build(folder: Path) -> None:
    """Build the CPU image on a base made of Debian's packages.

    Layers stay for the next run: `podman rmi midfill-test:cpu` frees their space.
    """
    _make_base(folder, BASE, PACKAGES)
    _build_ours(folder, "cpu", f"BASE={BASE}", IMAGE)


def build_cuda(folder: Path) -> None:
    """Build the image for CUDA, which has gcc in it, on such a base."""
    _make_base(folder, CUDA_BASE, f"{PACKAGES},gcc,libc6-dev")
    _build_ours(folder, "cuda", f"BASE={CUDA_BASE}", CUDA_IMAGE)


def _make_base(folder: Path, tag: str, packages: str) -> None:
    """Make a base image of Debian's packages, unless there is one."""
    found = subprocess.run(
        ["buildah", "inspect", tag], capture_output=True, check=False
    )
    if found.returncode:
        tree = folder / "rootfs.tar"
        make = ["mmdebstrap", "--variant=minbase", f"--include={packages}"]
        subprocess.run([*make, "bookworm", tree], check=True, capture_output=True)
        text = "FROM scratch\nADD rootfs.tar /\n"
        (folder / "Dockerfile").write_text(text, encoding="utf-8")
        bud(folder, folder / "Dockerfile", tag)
        tree.unlink()


def build_ray(folder: Path) -> None:
    """Build the image with Ray on top of the CPU image, which is there."""
    _build_ours(folder, "ray", f"MIDFILL={IMAGE}", RAY_IMAGE)


def _build_ours(folder: Path, kind: str, argument: str, tag: str) -> None:
    """Build one of deploy/docker/ with this machine's certificates and pip."""
    configuration, mounted = pip_configuration(folder)
    places = [CERTIFICATES, *mounted]
    volumes = [f"--volume={place}:{place}:ro" for place in places]
    volumes.append(f"--volume={configuration}:/etc/pip.conf:ro")
    file = ROOT / "deploy" / "docker" / f"Dockerfile.{kind}"
    bud(ROOT, file, tag, "--layers", f"--build-arg={argument}", *volumes)


def bud(context: Path, file: Path, tag: str, *options: str) -> None:
    """Build one image with buildah, as the other tools would."""
    fixed = ["--format=docker", "--isolation=chroot", "--pull-never"]
    command = ["buildah", "bud", *fixed, *options, f"--tag={tag}", f"--file={file}"]
    done = subprocess.run(
        [*command, str(context)], capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout[-4000:] + done.stderr[-4000:]


def pip_configuration(folder: Path) -> tuple[Path, list[str]]:
    """Write how pip is set up here for the build; return it and the places it names."""
    listed = subprocess.run(
        ["pip", "config", "list"], capture_output=True, text=True, check=True
    )
    values: dict[str, str] = {}
    for line in sorted(listed.stdout.splitlines(), key=lambda line: line[:1] == ":"):
        option, _, value = line.partition("=")
        values[option.rpartition(".")[2]] = str(ast.literal_eval(value))
    # What constrains this machine's environments is no part of the locks.
    values.pop("constraint", None)
    words = " ".join(values.values()).replace("file://", "").split()
    places = [word for word in words if Path(word).is_dir()]
    lines = [f"{option} = {value}\n" for option, value in values.items()]
    path = folder / "pip.conf"
    path.write_text("[global]\n" + "".join(lines), encoding="utf-8")
    return path, places


def once(
    *words: str, options: Sequence[str] = (), entry: str = "", image: str = IMAGE
) -> "Done":
    """Run a container to its end; `entry` takes the place of the image's own."""
    entries = [f"--entrypoint={entry}"] if entry else []
    command = [*PODMAN, "run", "--rm", *RESTRICTED, *options, *entries, image, *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300
    )


Done = subprocess.CompletedProcess[str]


class Container:
    """A container that runs; `remove` ends it whatever it does."""

    def __init__(
        self, name: str, *words: str, options: Sequence[str], image: str = IMAGE
    ) -> None:
        """Start it."""
        self.name = name
        self.remove()
        command = [*PODMAN, "run", "--detach", f"--name={name}", *RESTRICTED]
        started = subprocess.run(
            [*command, *options, image, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == started.returncode, started.stderr

    def podman(self, *words: str) -> Done:
        """Run podman on it."""
        return subprocess.run(
            [*PODMAN, *words], capture_output=True, text=True, check=False, timeout=120
        )

    def wait_until_healthy(self, timeout_s: float) -> str:
        """Wait for the probe to succeed, and return what it says."""
        ends_s = time.monotonic() + timeout_s
        while True:
            asked = self.podman("exec", self.name, "midfill", "health")
            if not asked.returncode:
                return asked.stdout.strip()
            if time.monotonic() > ends_s:
                raise TimeoutError(f"{asked.stderr}\n{self.log}")
            time.sleep(1)

    @property
    def log(self) -> str:
        """What it has written so far."""
        done = self.podman("logs", self.name)
        return done.stdout + done.stderr

    def state(self) -> dict[str, object]:
        """Return what podman says of its process."""
        shown = self.podman("inspect", "--format", "{{json .State}}", self.name)
        found = json.loads(shown.stdout)
        assert isinstance(found, dict)
        return found

    def remove(self) -> None:
        """End and remove it."""
        subprocess.run(
            [*PODMAN, "rm", "--force", "--volumes", "--time=0", self.name],
            capture_output=True,
            check=False,
        )
