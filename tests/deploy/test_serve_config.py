"""What Ray Serve would ignore in a file for `serve deploy` is found."""

import pytest
import yaml
from serve_config import faults

from midfill_ray.options import parse_options

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


@pytest.mark.parametrize(("right", "wrong"), WRONG.values(), ids=WRONG)
def test_planted_fault_is_found(right: str, wrong: str) -> None:
    """Each is a file that Ray Serve itself takes without a word, or nearly so."""
    assert right in SOUND
    planted = yaml.safe_load(SOUND.replace(right, wrong, 1))

    assert faults(planted, check_arguments=parse_options) != []
