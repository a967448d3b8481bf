"""The Makefile's promises, on a copy whose environments are stamp files alone."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (
    "cpu.txt",
    "cuda.txt",
    "dev.txt",
    "editors.txt",
    "gptqmodel-build.txt",
    "gptqmodel.txt",
    "quantize.txt",
    "torch-cpu.txt",
    "uv.txt",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which everything is installed for the CPU."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / ".venv").mkdir()
    for name in (
        "pyproject.toml",
        *(f"requirements/{n}" for n in (*LOCKS, "install.py")),
    ):
        touch(tmp_path / name, at_s=1_000)
    touch(tmp_path / ".venv" / ".installed-cpu", at_s=2_000)
    touch(tmp_path / ".venv" / ".installed-dev", at_s=2_000)
    return tmp_path


def touch(path: Path, *, at_s: int) -> None:
    """Make a file that was changed at a time, in seconds of the epoch."""
    path.touch()
    os.utime(path, (at_s, at_s))


def write_program(path: Path, text: str) -> None:
    """Write a program that stands for another one."""
    path.write_text(text)
    path.chmod(0o755)


def make(
    checkout: Path, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run make on a checkout, for the CPU unless ``variables`` say otherwise."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    inherited.pop("MFLAGS", None)
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env=inherited | {"MIDFILL_DEVICE": "cpu"} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def installs(checkout: Path, target: str, device: str = "cpu") -> list[str]:
    """Return the locks that a target would install."""
    planned = make(checkout, "--dry-run", target, MIDFILL_DEVICE=device)
    assert 0 == planned.returncode, planned.stderr
    return re.findall(r"install\.py \S+ (\w+)", planned.stdout)


def test_targets_are_listed() -> None:
    """`make` alone names every target that a person may want, with one line each."""
    shown = make(ROOT)
    assert 0 == shown.returncode
    lines = shown.stdout.splitlines()
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (\S+)", text, re.MULTILINE)) - {"python"}
    assert {"demo", "test", "lint", "lock", "doctor", "clean"} <= targets
    for target in targets:
        assert 1 == sum(bool(re.match(rf"  {target}  +\w", line)) for line in lines)


@pytest.mark.parametrize("target", ["demo", "test", "lint", "doctor", "install-dev"])
def test_second_run_installs_nothing(checkout: Path, target: str) -> None:
    """What is installed and not older than its lock stays as it is."""
    assert [] == installs(checkout, target)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("requirements/cpu.txt", ["cpu"]),
        ("requirements/torch-cpu.txt", ["cpu"]),
        ("pyproject.toml", ["cpu"]),
        ("requirements/dev.txt", ["dev"]),
        ("requirements/install.py", ["cpu", "dev"]),
        ("requirements/cuda.txt", []),
        ("requirements/quantize.txt", []),
    ],
)
def test_changed_lock_installs_again(
    checkout: Path, changed: str, expected: list[str]
) -> None:
    """Only what depends on a changed file is installed again."""
    touch(checkout / changed, at_s=3_000)
    assert expected == installs(checkout, "install-dev")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_gptqmodel_goes_beside_the_engine(checkout: Path, device: str) -> None:
    """It is installed where it is asked for alone, after the runtime, and once."""
    touch(checkout / ".venv" / ".installed-cuda", at_s=2_000)
    assert ["gptqmodel"] == installs(checkout, "install-gptqmodel", device)
    touch(checkout / ".venv" / ".installed-gptqmodel", at_s=2_000)
    assert [] == installs(checkout, "install-gptqmodel", device)
    touch(checkout / "requirements" / "gptqmodel.txt", at_s=3_000)
    assert ["gptqmodel"] == installs(checkout, "install-gptqmodel", device)
    assert [] == installs(checkout, "install", device)


@pytest.mark.parametrize("target", ["install-editors", "test-editors"])
def test_editor_tests_install_their_own_lock(checkout: Path, target: str) -> None:
    """What drives the editors is installed for their tests alone, and once."""
    assert ["editors"] == installs(checkout, target)
    touch(checkout / ".venv" / ".installed-editors", at_s=2_000)
    assert [] == installs(checkout, target)
    assert [] == installs(checkout, "test")


@pytest.mark.parametrize(
    ("node", "obtained"), [("v24.1.0", False), ("v18.20.0", True), ("", True)]
)
def test_extension_is_packaged_with_a_node_that_fits(
    checkout: Path, node: str, *, obtained: bool
) -> None:
    """Node.js is obtained where there is none, or one that is too old, and used."""
    (checkout / "editors" / "vscode").mkdir(parents=True)
    (checkout / "editors" / "vscode" / "package.json").touch()
    programs, said = checkout / ".editors" / "bin", checkout / "said"
    for folder in (programs, checkout / ".venv" / "bin"):
        folder.mkdir(parents=True)
    npm = f'#!/bin/sh\necho "npm $*" >>{said}\n'
    major = node.removeprefix("v").partition(".")[0] or "0"
    write_program(programs / "npm", npm if node else "#!/bin/sh\nexit 127\n")
    write_program(programs / "node", f"#!/bin/sh\ntest {major} -ge 20\n")
    write_program(
        checkout / ".venv" / "bin" / "python",
        f'#!/bin/sh\necho "python $*" >>{said}\n'
        f"printf '%s' '{npm}' >{programs}/npm\n",
    )
    (checkout / "editors" / "vscode" / "midfill-0.1.0.vsix").touch()
    made = make(checkout, "vsix")
    assert 0 == made.returncode, made.stderr
    lines = said.read_text().splitlines()
    assert obtained == ("python -m obtain npm" in lines)
    assert "npm --prefix editors/vscode/ run package" == lines[-1]
    assert "midfill-0.1.0.vsix" in made.stdout


def test_other_device_installs_its_lock(checkout: Path) -> None:
    """Changing the device installs the other runtime, and forgets the first."""
    assert ["cuda"] == installs(checkout, "install", device="cuda")
    shutil.copy(shutil.which("true") or "", checkout / "true")
    made = make(checkout, "install", "PYTHON=./true", MIDFILL_DEVICE="cuda")
    assert 0 == made.returncode, made.stderr
    stamps = {path.name for path in (checkout / ".venv").iterdir()}
    assert {".installed-cuda", ".installed-dev"} == stamps
    assert ["cpu"] == installs(checkout, "install")


def test_unknown_device_is_refused(checkout: Path) -> None:
    """A device that does not exist is named, with those that do."""
    refused = make(checkout, "demo", MIDFILL_DEVICE="tpu")
    assert refused.returncode
    assert 'MIDFILL_DEVICE is "tpu"; it must be cpu, cuda or auto' in refused.stderr


def test_gpu_is_detected(checkout: Path, tmp_path: Path) -> None:
    """Where nvidia-smi lists a GPU the CUDA build is taken."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100 (UUID: GPU-1)'\n")
    program.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    for device in ("", "auto"):
        shown = make(checkout, PATH=path, MIDFILL_DEVICE=device)
        assert "(here: cuda)" in shown.stdout
    assert "(here: cpu)" in make(checkout, PATH=path, MIDFILL_DEVICE="cpu").stdout


def test_missing_python_is_explained(checkout: Path) -> None:
    """Without a Python that fits, the versions that would fit are named."""
    (checkout / ".venv" / ".installed-cpu").unlink()
    refused = make(checkout, "demo", "PYTHON=")
    assert refused.returncode
    assert "Midfill needs Python 3.11, 3.12 or 3.13" in refused.stderr
    assert "make PYTHON=" in refused.stderr


@pytest.mark.parametrize("failing", ["test_ray_a.py --durations", "--dist loadfile"])
def test_both_halves_of_test_deploy_are_shown(checkout: Path, failing: str) -> None:
    """And if one fails, so does the whole."""
    (checkout / "tests" / "deploy").mkdir(parents=True)
    (checkout / "tests" / "deploy" / "test_ray_a.py").touch()
    (checkout / ".venv" / "bin").mkdir()
    (checkout / ".venv-deploy").mkdir()
    touch(checkout / "requirements" / "ray.txt", at_s=1_000)
    touch(checkout / "requirements" / "deploy-tools.txt", at_s=1_000)
    touch(checkout / ".venv" / ".installed-ray", at_s=3_000)
    touch(checkout / ".venv-deploy" / ".installed", at_s=3_000)
    says = f'#!/bin/sh\necho "ran: $*"\ncase "$*" in *"{failing}"*) exit 1;; esac\n'
    write_program(checkout / ".venv" / "bin" / "python", says)

    done = make(checkout, "test-deploy")

    assert 2 == done.stdout.count("\nran: -m pytest")
    assert 0 != done.returncode
