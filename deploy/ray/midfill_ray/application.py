"""The Ray Serve application: ingress, replicas, roster, and how they scale.

``import_path: midfill_ray.application:build`` in ``serveConfigV2``; where another model
is to take over in one cluster, ``build_engines`` in an application of its own besides.
"""

import warnings
from collections.abc import Mapping

from ray import serve
from ray.serve import Application
from ray.serve.config import (
    AutoscalingConfig,
    BackpressureConfig,
    RequestRouterConfig,
)
from ray.serve.schema import LoggingConfig

from midfill_ray.ingress import Ingress
from midfill_ray.options import ENGINES, INGRESS, ROSTER, RayOptions, parse_options
from midfill_ray.replica import Replica
from midfill_ray.reports import Roster

__all__ = ["ENGINES", "INGRESS", "ROSTER", "build", "build_engines"]

# Midfill's access log has a line for each request; Ray Serve's would be a second one,
# and one for every message between deployments.
_QUIET = LoggingConfig(enable_access_log=False)
_ROUTER = "midfill_ray.router:BoundedLoadRouter"
_MOST_CLIENTS = 2048
"""Requests and editors of one ingress replica; an editor counts as long as it stays."""

_MOST_WAITING_CLIENTS = 256
_INGRESS_SURGE_PERCENT = 100
_RETRY_S = 1.0
_TOO_MANY = 429
_WAIT_LOOP_S = 0.5


def build(arguments: Mapping[str, object]) -> Application:
    """Return the application that clients reach.

    It has engines, unless ``engines_of`` names the application that has them.

    Args:
        arguments: The fields of `RayOptions`.

    Raises:
        ConfigError: One of them is wrong.
    """
    options = parse_options(arguments)
    ingress = serve.deployment(serve.ingress()(Ingress)).options(
        name=INGRESS,
        max_surge_percent=_INGRESS_SURGE_PERCENT,
        num_replicas=options.ingress_replicas,
        max_ongoing_requests=_MOST_CLIENTS,
        max_queued_requests=_MOST_WAITING_CLIENTS,
        backpressure_config=BackpressureConfig(
            status_code=_TOO_MANY, retry_after_s=_RETRY_S
        ),
        graceful_shutdown_timeout_s=options.drain_s,
        graceful_shutdown_wait_loop_s=_WAIT_LOOP_S,
        ray_actor_options={"num_cpus": options.ingress_cpus},
        logging_config=_QUIET,
    )
    if options.engines_of:
        return ingress.bind(options, None, None)
    roster = _roster()
    engines = serve.deployment(Replica).options(**_engines(options))
    return ingress.bind(options, engines.bind(options, roster), roster)


def build_engines(arguments: Mapping[str, object]) -> Application:
    """Return an application of engines only, which the ingress of another one uses.

    Args:
        arguments: The fields of `RayOptions`.

    Raises:
        ConfigError: One of them is wrong.
    """
    options = parse_options(arguments)
    engines = serve.deployment(Replica).options(**_engines(options))
    return engines.bind(options, _roster())


def _roster() -> Application:
    return (
        serve.deployment(Roster)
        .options(
            name=ROSTER,
            num_replicas=1,
            ray_actor_options={"num_cpus": 0},
            logging_config=_QUIET,
        )
        .bind()
    )


def _engines(options: RayOptions) -> dict[str, object]:
    """Return the options of the engines' deployment."""
    environment = {}
    if options.omp_threads:
        environment["OMP_NUM_THREADS"] = str(options.omp_threads)
    placed: dict[str, object] = {
        "ray_actor_options": {
            "num_cpus": options.num_cpus,
            "num_gpus": options.num_gpus,
            "runtime_env": {"env_vars": environment},
        }
    }
    if options.num_gpus > 1:
        # One bundle: all GPUs of a model that is spread over several are of one node.
        placed["placement_group_bundles"] = [
            {"CPU": options.num_cpus, "GPU": options.num_gpus}
        ]
        placed["placement_group_strategy"] = "STRICT_PACK"
    return {
        "name": ENGINES,
        "logging_config": _QUIET,
        "max_surge_percent": options.surge_percent,
        **placed,
        "max_ongoing_requests": options.most_ongoing,
        "max_queued_requests": options.max_replicas * options.most_ongoing,
        "autoscaling_config": _autoscaling(options),
        "request_router_config": RequestRouterConfig(
            request_router_class=_ROUTER,
            request_router_kwargs={
                "knee": options.target_ongoing_requests,
                "spread": options.spread,
            },
        ),
        "graceful_shutdown_timeout_s": options.drain_s,
        "graceful_shutdown_wait_loop_s": _WAIT_LOOP_S,
        "health_check_period_s": options.health_interval_s,
        "health_check_timeout_s": max(options.health_interval_s, 15.0),
    }


def _autoscaling(options: RayOptions) -> AutoscalingConfig:
    """Return when replicas come and go."""
    with warnings.catch_warnings():
        # Ray calls metrics_interval_s deprecated, and reads nothing in its stead.
        warnings.simplefilter("ignore", DeprecationWarning)
        return AutoscalingConfig(
            min_replicas=options.min_replicas,
            max_replicas=options.max_replicas,
            target_ongoing_requests=options.target_ongoing_requests,
            upscale_delay_s=options.upscale_delay_s,
            downscale_delay_s=options.downscale_delay_s,
            metrics_interval_s=options.metrics_interval_s,
            look_back_period_s=options.look_back_period_s,
        )
