"""What holds for every image: pinned, locked, without a model, root or compiler."""

import difflib
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".venv-deploy" / "bin"
DOCKER = ROOT / "deploy" / "docker"
DOCKERFILES = sorted(DOCKER.glob("Dockerfile.*"))
LOCKS = [
    path
    for path in sorted((ROOT / "requirements").glob("*.txt"))
    # They name versions for the resolver, and nothing is installed from them.
    if not path.stem.endswith("-overrides")
]
DIGEST = re.compile(r"docker\.io/[a-z]+/[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}")
COMPILERS = re.compile(
    r"\b(?:gcc|g\+\+|clang|cpp|build-essential|rustc|golang|cargo|libc6-dev)\b"
)
per_file = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions, each with its words on one line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = "\n".join(line for line in lines if not line.startswith("#"))
    joined = re.sub(r"\s*\\\n\s*", " ", kept)
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name, words) for name, words in found]


def last_stage(path: Path) -> list[tuple[str, str]]:
    """Return the instructions of what is shipped."""
    found = instructions(path)
    begin = max(at for at, (name, _) in enumerate(found) if name == "FROM")
    return found[begin:]


def of_kind(found: list[tuple[str, str]], name: str) -> list[str]:
    """Return the words of the instructions of one name."""
    return [words for each, words in found if each == name]


# What an image is that is built on another one of these files'.
OURS = re.compile(r"midfill:(?:cpu|cuda)")
PROBES = {"ray": '["midfill", "ray", "status"]'}
NEEDED = {"cuda": ["gcc", "libc6-dev"], "conda": ["gcc", "libc6-dev"]}


def kind_of(path: Path) -> str:
    """Return what an image is for: cpu, cuda, conda or ray."""
    return path.name.removeprefix("Dockerfile.")


def test_there_is_one_for_each_device_one_for_conda_and_one_for_ray() -> None:
    """A Dockerfile that nobody lists here is checked by nobody."""
    assert ["conda", "cpu", "cuda", "ray"] == list(map(kind_of, DOCKERFILES))


@per_file
def test_hadolint_finds_nothing(path: Path) -> None:
    """Whatever is ignored has a reason beside it."""
    subprocess.run([TOOLS / "hadolint", path], check=True, timeout=240)
    lines = path.read_text(encoding="utf-8").splitlines()
    for before, line in itertools.pairwise(lines):
        if "hadolint ignore=DL3008" in line:
            assert before.startswith("# "), "DL3008 is ignored without a reason"


@per_file
def test_every_base_is_pinned_by_its_digest(path: Path) -> None:
    """A tag can be moved to another image, a digest cannot; or it is our own build."""
    found = instructions(path)
    pinned = dict(
        words.split("=", 1)
        for words in of_kind(found, "ARG")
        if not words.startswith("REVISION")
    )
    for image in pinned.values():
        is_ours = kind_of(path) == "ray" and OURS.fullmatch(image)
        assert is_ours or DIGEST.fullmatch(image), pinned
    stages = {f"${{{name}}}" for name in pinned}
    for words in of_kind(found, "FROM"):
        image, _, name = words.split()
        assert image in stages
        stages.add(name)


@per_file
def test_what_is_shipped_runs_as_nobody_and_proves_itself(path: Path) -> None:
    """The user is a number, so that Kubernetes can see that it is not root."""
    stage = last_stage(path)
    assert "10001:10001" == of_kind(stage, "USER")[-1]
    probe = PROBES.get(kind_of(path), '["midfill", "health"]')
    assert f"CMD {probe}" in of_kind(stage, "HEALTHCHECK")[0]
    assert ['["tini", "--", "midfill"]'] == of_kind(stage, "ENTRYPOINT")
    assert "org.opencontainers.image.licenses" in of_kind(stage, "LABEL")[0]
    assert ["USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"] == [n for n, _ in stage[-4:]]


@per_file
def test_no_compiler_is_shipped_but_the_one_that_triton_needs(path: Path) -> None:
    """On a CPU nothing is compiled; Triton builds its link to the driver with gcc."""
    shipped = " ".join(of_kind(last_stage(path), "RUN"))
    assert NEEDED.get(kind_of(path), []) == COMPILERS.findall(shipped)


@per_file
def test_no_model_and_no_secret_comes_into_an_image(path: Path) -> None:
    """What a build sees is listed, and of models that is the registry alone."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert "**" == rules[0]
    shown = {rule[1:] for rule in rules if rule.startswith("!")}
    assert {each for each in shown if each.startswith("models")} == {
        "models/registry.toml"
    }
    assert all((ROOT / each).exists() for each in shown)
    for words in of_kind(instructions(path), "COPY"):
        sources = [word for word in words.split()[:-1] if not word.startswith("--")]
        if not words.startswith("--from"):
            assert {each.split("/")[0] for each in sources} <= {
                each.split("/")[0] for each in shown
            }
    assert not of_kind(instructions(path), "ADD")


def test_kuberay_is_given_the_image_that_is_built_here() -> None:
    """By the name that `make images` gives it."""
    manifest = (ROOT / "deploy" / "ray" / "rayservice.yaml").read_text("utf-8")
    dry = ["make", "--dry-run", "images", "BUILDER=docker build"]
    built = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True)
    [image] = set(re.findall(r"image: (\S+)", manifest))
    name, tag = image.split(":")
    assert f"--tag {name}:$image" in built.stdout
    assert tag in re.findall(r"for image in ([\w ]+);", built.stdout)[0].split()
    assert (DOCKER / f"Dockerfile.{tag}").is_file()


def test_the_images_differ_in_the_device_alone() -> None:
    """A line that is mended in one file is mended in the other."""
    cpu, cuda = (
        (DOCKER / f"Dockerfile.{device}").read_text(encoding="utf-8").splitlines()
        for device in ("cpu", "cuda")
    )
    begin = [lines.index("FROM ${BASE} AS environment") for lines in (cpu, cuda)]
    changed = [
        line[2:].strip()
        for line in difflib.ndiff(cpu[begin[0] :], cuda[begin[1] :])
        if line[:2] in {"- ", "+ "} and not line[2:].startswith("#")
    ]
    about = ("install.py", "libgomp1", "description", "KEYS_FILE", "NVIDIA", "VLLM_")
    assert changed
    assert [] == [line for line in changed if not any(each in line for each in about)]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_locked_package_has_its_hashes(path: Path) -> None:
    """A package that was replaced under its version is refused (fault 40)."""
    joined = path.read_text(encoding="utf-8").replace("\\\n", " ")
    pinned = [line for line in joined.splitlines() if line and line[0] not in "#-"]
    assert pinned
    for line in pinned:
        assert re.match(r"[\w.-]+(?:\[[\w,-]+\])?==", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


def test_no_step_of_ci_comes_from_elsewhere() -> None:
    """CI is a script of this repository; an action would be pinned by its commit."""
    assert (ROOT / ".ci" / "run").is_file()
    for path in (ROOT / ".github").rglob("*.y*ml"):
        for used in re.findall(r"uses:\s*(\S+)", path.read_text(encoding="utf-8")):
            assert re.search(r"@[0-9a-f]{40}$", used), f"{path}: {used}"


def test_an_sbom_names_every_package_with_its_version(tmp_path: Path) -> None:
    """`make sbom` writes it of what is installed, and can be repeated."""
    written = [tmp_path / name for name in ("first.json", "second.json")]
    for path in written:
        command = ["make", "-o", ".venv-deploy/.installed", "sbom", f"SBOM={path}"]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        command.append(f"SBOM_OF={sys.executable}")
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=240)
    assert written[0].read_bytes() == written[1].read_bytes()
    sbom = json.loads(written[0].read_bytes())
    assert "CycloneDX" == sbom["bomFormat"]
    purls = {each["name"]: each.get("purl", "") for each in sbom["components"]}
    assert purls["pydantic"].startswith("pkg:pypi/pydantic@2")
    assert "midfill" in purls
