"""Manifests of Kubernetes: what kustomize makes of them, and three checkers."""

import functools
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import yaml
from custom_resources import KINDS, problems_of

__all__ = ["ROOT", "Tree", "built", "failed_checks", "faults_of", "find", "pods_of"]

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv-deploy" / "bin"
OVERLAYS = ROOT / "deploy" / "kubernetes" / "overlays"

Tree: TypeAlias = dict[str, "Tree | list[Tree] | list[str] | str | int | bool"]
"""An object of Kubernetes, or a part of one."""


@functools.cache
def _text_of(overlay: Path) -> str:
    """Return what kustomize makes of an overlay.

    Raises:
        CalledProcessError: It makes nothing.
    """
    return subprocess.run(
        [TOOLS / "kubectl", "kustomize", overlay],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def built(overlay: str | Path) -> list[Tree]:
    """Return the objects of an overlay, new ones with each call."""
    return list(yaml.safe_load_all(_text_of(OVERLAYS / overlay)))


def find(objects: Sequence[Tree], kind: str, name: str = "midfill") -> Tree:
    """Return the object of a kind and a name; what kustomize appends does not count."""
    [found] = [
        each
        for each in objects
        if each["kind"] == kind
        and _name_of(each).startswith(name)
        # A ConfigMap's name ends with the hash of its content.
        and (kind == "ConfigMap" or _name_of(each) == name)
    ]
    return found


def _name_of(tree: Tree) -> str:
    metadata = tree["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["name"])


def pods_of(objects: Sequence[Tree]) -> Iterator[tuple[str, Tree]]:
    """Yield the name and the pod template of each Deployment."""
    for each in objects:
        spec = each.get("spec")
        if each["kind"] == "Deployment" and isinstance(spec, dict):
            template = spec["template"]
            assert isinstance(template, dict)
            yield _name_of(each), template


def faults_of(objects: Sequence[Mapping[str, object]], folder: Path) -> list[str]:
    """Return what Kubernetes, KEDA and the Prometheus operator have against objects."""
    ours = [each for each in objects if each["kind"] in KINDS]
    file = folder / "objects.yaml"
    others = [each for each in objects if each not in ours]
    file.write_text(yaml.safe_dump_all(others), encoding="utf-8")
    done = subprocess.run(
        [TOOLS / "kubernetes-validate", "--strict", "--quiet", file],
        capture_output=True,
        text=True,
        check=False,
    )
    # An unknown kind is a warning alone, with status 0.
    said = [*(done.stdout + done.stderr).splitlines()]
    return said + [problem for each in ours for problem in problems_of(each)]


def failed_checks(
    files: Mapping[str, Sequence[Mapping[str, object]]], folder: Path
) -> set[str]:
    """Return each check of checkov that failed, as ``FILE CHECK RESOURCE``."""
    for name, objects in files.items():
        text = yaml.safe_dump_all(objects)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    options = ["--skip-download", "--compact", "--framework", "kubernetes"]
    done = subprocess.run(
        [TOOLS / "checkov", *options, "-o", "json", "-d", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 80 * len(files)
    assert report["summary"]["parsing_errors"] == 0
    return {
        f"{Path(each['file_path']).stem} {each['check_id']} {each['resource']}"
        for each in report["results"]["failed_checks"]
    }
