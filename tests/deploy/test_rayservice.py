"""The manifest for KubeRay: no key that KubeRay or Kubernetes would drop or refuse."""

import copy
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from manifests import ROOT, failed_checks, faults_of

CLUSTER = "spec.rayClusterConfig"
WORKERS = f"{CLUSTER}.workerGroupSpecs.0"
SCHEMA = yaml.safe_load(
    (Path(__file__).parent / "schemas" / "rayservice.yaml").read_text(encoding="utf-8")
)
Tree = dict[str, object]


def manifest() -> list[Tree]:
    """Return the objects of the manifest, the RayService first."""
    text = (ROOT / "deploy" / "ray" / "rayservice.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))


def at(tree: object, path: str) -> object:
    """Return what is at a path such as ``spec.groups.0.name``."""
    for step in path.split("."):
        if isinstance(tree, list):
            tree = tree[int(step)]
        else:
            assert isinstance(tree, dict)
            tree = tree[step]
    return tree


def changed(tree: Tree, path: str, value: object) -> Tree:
    """Return a copy with another value at a path."""
    made = copy.deepcopy(tree)
    *outer, last = path.split(".")
    parent = at(made, ".".join(outer)) if outer else made
    if isinstance(parent, list):
        parent[int(last)] = value
    else:
        assert isinstance(parent, dict)
        parent[last] = value
    return made


def errors_of_kuberay(service: Tree) -> list[str]:
    """Return what KubeRay's schema has against a service."""
    return [
        error.message
        for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(service)
    ]


def pods(service: Tree) -> Iterator[Tree]:
    """Yield the pods that KubeRay would make, as pods of their own."""
    templates = [
        at(service, f"{CLUSTER}.headGroupSpec.template"),
        at(service, f"{WORKERS}.template"),
    ]
    for number, template in enumerate(templates):
        assert isinstance(template, dict)
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{number}", "namespace": "midfill"}
            | template["metadata"],
            "spec": template["spec"],
        }


def test_rayservice_is_what_kuberay_knows(tmp_path: Path) -> None:
    """Every key is one of KubeRay's or, inside pods, of Kubernetes'."""
    service, *others = manifest()

    assert errors_of_kuberay(service) == []
    assert faults_of([*pods(service), *others], tmp_path) == []


WRONG = {
    "a key of the service": ("spec.serveConfigV3", ""),
    "a key of the cluster": (f"{CLUSTER}.gcsFaultTolerance", {}),
    "a key of a group": (f"{WORKERS}.minReplica", 1),
    "an unknown strategy": ("spec.upgradeStrategy.type", "RollingUpdate"),
    "a token mode": (f"{CLUSTER}.authOptions.mode", "Token"),
    "a number for a start parameter": (
        f"{CLUSTER}.headGroupSpec.rayStartParams.num-cpus",
        0,
    ),
}


@pytest.mark.parametrize(("path", "value"), WRONG.values(), ids=WRONG)
def test_what_kuberay_would_drop_or_refuse_is_found(path: str, value: object) -> None:
    """The schema has no room for keys that it does not know."""
    assert errors_of_kuberay(changed(manifest()[0], path, value)) != []


def test_typo_in_a_pod_is_found(tmp_path: Path) -> None:
    """The pods of a service are checked like any other."""
    wrong = changed(
        manifest()[0], f"{WORKERS}.template.spec.terminationGracePeriodSecond", 90
    )

    [fault] = faults_of(list(pods(wrong)), tmp_path)
    assert "terminationGracePeriodSecond" in fault


ACCEPTED = {
    "CKV_K8S_38": "KubeRay's autoscaler, in the head's pod, asks the API server",
    "CKV_K8S_43": "the image is the team's own build, of which no digest is known here",
}
"""Checks of checkov that fail, and why."""


def test_policies(tmp_path: Path) -> None:
    """Pod Security "restricted" and more, as checkov knows it."""
    service, *others = manifest()
    found = failed_checks({"ray": [*pods(service), *others]}, tmp_path)

    assert {each.split()[1] for each in found} == set(ACCEPTED)
