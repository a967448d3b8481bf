"""What Ray Serve would ignore in a file for `serve deploy`, and the one we ship."""

import math
from collections.abc import Mapping

import pytest
import yaml
from manifests import ROOT
from serve_config import faults

from lsp_server.errors import ConfigError
from lsp_server.setting_layers import Layer
from lsp_server.settings import resolve
from midfill_ray import application
from midfill_ray.options import RayOptions, parse_options

SOUND = """
proxy_location: EveryNode
http_options: {port: 8000}
applications:
  - name: midfill
    import_path: midfill_ray.application:build
    args: {num_cpus: 4}
    deployments:
      - name: Completions
        max_ongoing_requests: 32
        autoscaling_config:
          min_replicas: 1
          max_replicas: 4
          target_ongoing_requests: 8
          metrics_interval_s: 1
          look_back_period_s: 5
        ray_actor_options:
          num_gpus: 1
          runtime_env: {env_vars: {OMP_NUM_THREADS: "2"}}
        request_router_config:
          request_router_class:
            ray.serve.experimental.consistent_hash_router.ConsistentHashRouter
"""

WRONG = {
    "a key of the file": ("proxy_location", "proxy_locations"),
    "a key of the proxies": ("port: 8000", "ports: 8000"),
    "a key of an application": ("import_path", "importpath"),
    "an argument of ours": ("num_cpus: 4", "num_cpu: 4"),
    "a key of a deployment": ("max_ongoing_requests", "max_ongoing_request"),
    "a key of scaling": ("max_replicas", "max_replica"),
    "a key of an actor": ("num_gpus", "num_gpu"),
    "a key of an environment": ("env_vars", "env_var"),
    "a key of the router": ("request_router_class", "router_class"),
    "fewest above most": ("min_replicas: 1", "min_replicas: 5"),
    "more wanted than let in": (
        "target_ongoing_requests: 8",
        "target_ongoing_requests: 64",
    ),
    "looking back too shortly": ("look_back_period_s: 5", "look_back_period_s: 0.5"),
    "a list that is none": ("num_gpus: 1", "num_gpus: [1]"),
}


def test_sound_file_has_no_fault() -> None:
    """Nothing is found where nothing is wrong."""
    assert faults(yaml.safe_load(SOUND), check_arguments=parse_options) == []


def test_documented_file_for_two_models_has_no_fault() -> None:
    """What docs/ray.md shows can be deployed, and names a deployment that is there."""
    page = (ROOT / "docs" / "ray.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert faults(shown, check_arguments=parse_options) == []
    engines, ingress = shown["applications"]
    assert ingress["args"]["engines_of"] == engines["name"]
    for each in (engines, ingress):
        name = each["import_path"].rpartition(":")[2]
        assert callable(getattr(application, name))


@pytest.mark.parametrize(("right", "wrong"), WRONG.values(), ids=WRONG)
def test_planted_fault_is_found(right: str, wrong: str) -> None:
    """Each is a file that Ray Serve itself takes without a word, or nearly so."""
    assert right in SOUND
    planted = yaml.safe_load(SOUND.replace(right, wrong, 1))

    assert faults(planted, check_arguments=parse_options) != []


def shipped() -> tuple[dict[str, object], str]:
    """Return the cluster of the manifest for KubeRay, and its serveConfigV2."""
    text = (ROOT / "deploy" / "ray" / "rayservice.yaml").read_text(encoding="utf-8")
    spec = next(yaml.safe_load_all(text))["spec"]
    return spec, spec["serveConfigV2"]


def options(arguments: Mapping[str, object]) -> RayOptions:
    """Return an application's options; a wrong setting of Midfill is an error, too."""
    made = parse_options(arguments)
    problems = resolve([Layer(place="args.settings", values=made.settings)]).problems
    if problems:
        raise ConfigError(str(problems[0]), subject="args.settings", remedy="")
    return made


def test_shipped_file_is_what_ray_serve_and_midfill_know() -> None:
    """Every key of serveConfigV2 is read by somebody."""
    _, text = shipped()
    assert faults(yaml.safe_load(text), check_arguments=options) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("port: 8000", "prot: 8000"),
        ("route_prefix:", "route_prefx:"),
        ("min_replicas:", "min_replica:"),
        ("max_replicas: 8", "max_replicas: 1"),
        ("model: {path:", "model: {pathh:"),
        ("keys_file:", "key_file:"),
    ],
)
def test_typo_in_the_shipped_file_is_found(right: str, wrong: str) -> None:
    """Also in what Midfill alone reads."""
    _, text = shipped()
    assert right in text

    planted = yaml.safe_load(text.replace(right, wrong, 1))

    assert faults(planted, check_arguments=options) != []


def test_pods_have_room_and_time_for_the_replicas() -> None:
    """What Ray Serve is told and what Kubernetes is told go together."""
    spec, text = shipped()
    made = options(yaml.safe_load(text)["applications"][0]["args"])
    cluster = spec["rayClusterConfig"]
    assert isinstance(cluster, dict)
    workers = cluster["workerGroupSpecs"][0]
    pod = workers["template"]["spec"]
    limits = pod["containers"][0]["resources"]["limits"]
    # The least pods that there are hold every ingress replica.
    ingress_of_a_pod = math.ceil(made.ingress_replicas / made.min_replicas)
    others_cpus = ingress_of_a_pod * made.ingress_cpus
    most = made.max_replicas * (100 + made.surge_percent) / 100

    assert made.num_gpus == limits["nvidia.com/gpu"]
    # Or a replica on a node without a GPU would answer, slowly, on its CPU.
    assert "cuda" == made.settings["engine"]["device"]
    assert made.num_cpus + others_cpus <= int(limits["cpu"])
    assert made.min_replicas == workers["minReplicas"] == workers["replicas"]
    assert math.ceil(most) == workers["maxReplicas"]
    assert made.drain_s < pod["terminationGracePeriodSeconds"]
    assert made.drain_s < int(str(spec["rayClusterDeletionDelaySeconds"]))
