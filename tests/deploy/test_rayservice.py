"""The manifest for KubeRay: no key that KubeRay or Kubernetes would drop or refuse."""

import copy
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema
import pytest
import yaml
from serve_config import faults

from lsp_server.errors import ConfigError
from lsp_server.setting_layers import Layer
from lsp_server.settings import resolve
from midfill_ray.options import RayOptions, parse_options

ROOT = Path(__file__).parents[2]
CLUSTER = "spec.rayClusterConfig"
WORKERS = f"{CLUSTER}.workerGroupSpecs.0"
TOOLS = ROOT / ".venv-deploy" / "bin"
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


def validate(trees: list[Tree], folder: Path) -> str:
    """Return what kubernetes-validate has against objects; nothing is well."""
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(trees), encoding="utf-8")
    done = subprocess.run(
        [TOOLS / "kubernetes-validate", "--strict", "--quiet", file],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_rayservice_is_what_kuberay_knows(tmp_path: Path) -> None:
    """Every key is one of KubeRay's or, inside pods, of Kubernetes'."""
    service, *others = manifest()

    assert errors_of_kuberay(service) == []
    assert validate([*pods(service), *others], tmp_path) == ""


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

    assert "terminationGracePeriodSecond" in validate(list(pods(wrong)), tmp_path)


ACCEPTED = {
    "CKV_K8S_38": "KubeRay's autoscaler, in the head's pod, asks the API server",
    "CKV_K8S_43": "the image is the team's own build, of which no digest is known here",
}
"""Checks of checkov that fail, and why."""


def test_policies(tmp_path: Path) -> None:
    """Pod Security "restricted" and more, as checkov knows it."""
    service, *others = manifest()
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all([*pods(service), *others]), encoding="utf-8")
    done = subprocess.run(
        [TOOLS / "checkov", "--skip-download", "--compact", "-o", "json", "-f", file],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)

    assert report["summary"]["passed"] > 150
    assert {check["check_id"] for check in report["results"]["failed_checks"]} == set(
        ACCEPTED
    )


def serve_config() -> dict[str, object]:
    """Return what Ray Serve is to deploy."""
    text = at(manifest()[0], "spec.serveConfigV2")
    assert isinstance(text, str)
    parsed = yaml.safe_load(text)
    assert isinstance(parsed, dict)
    return parsed


def options(arguments: Mapping[str, object]) -> RayOptions:
    """Return an application's options; a wrong setting of Midfill is an error, too."""
    made = parse_options(arguments)
    problems = resolve([Layer(place="args.settings", values=made.settings)]).problems
    if problems:
        raise ConfigError(str(problems[0]), subject="args.settings", remedy="")
    return made


def test_serve_config_is_what_ray_serve_and_midfill_know() -> None:
    """Every key of serveConfigV2 is read by somebody."""
    assert faults(serve_config(), check_arguments=options) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("http_options.ports", 8000),
        ("applications.0.route_prefx", "/"),
        ("applications.0.args.min_replica", 1),
        ("applications.0.args.max_replicas", 1),
        ("applications.0.args.settings.model.pathh", "team-model"),
    ],
)
def test_typo_in_serve_config_is_found(path: str, value: object) -> None:
    """Also in what Midfill alone reads."""
    assert faults(changed(serve_config(), path, value), check_arguments=options) != []


def test_pods_have_room_and_time_for_the_replicas() -> None:
    """What Ray Serve is told and what Kubernetes is told go together."""
    service = manifest()[0]
    arguments = at(serve_config(), "applications.0.args")
    assert isinstance(arguments, dict)
    made = options(arguments)
    workers, pod = at(service, WORKERS), at(service, f"{WORKERS}.template.spec")
    assert isinstance(workers, dict)
    assert isinstance(pod, dict)
    limits = at(pod, "containers.0.resources.limits")
    assert isinstance(limits, dict)
    others_cpus = made.ingress_replicas * made.ingress_cpus

    assert made.num_gpus == limits["nvidia.com/gpu"]
    assert made.num_cpus + others_cpus <= int(limits["cpu"])
    assert made.min_replicas == workers["minReplicas"] == workers["replicas"]
    assert made.max_replicas == workers["maxReplicas"]
    assert made.drain_s < pod["terminationGracePeriodSeconds"]
    assert made.drain_s < int(str(at(service, "spec.rayClusterDeletionDelaySeconds")))
