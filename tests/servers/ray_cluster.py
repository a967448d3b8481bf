"""A Ray of one's own with Ray Serve on a port of loopback, stopped in any case.

Tests and benchmarks start it here alone.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from unittest import mock

import ray
from free_ports import free_port
from ray import serve
from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions

from midfill_ray.application import ENGINES, ROSTER, build
from midfill_ray.local_ray import start_ray
from midfill_ray.reports import Report, Status

NAME = "midfill"
SCRIPTED: Mapping[str, dict[str, object]] = {
    "engine": {"kind": "scripted"},
    "scripted": {"text": "21 + 21 + 21 + 21 + 21 + 21", "token_delay_ms": 5},
    # Each request is to reach an engine, however late that is on a busy machine.
    "completion": {"cache": False},
    "admission": {"max_wait_ms": 0},
    "access": {"log": ""},
}
TWO: Mapping[str, object] = {
    "min_replicas": 2,
    "max_replicas": 2,
    "num_cpus": 0.5,
    "ingress_replicas": 2,
    "ingress_cpus": 0.1,
}
"""Two engines behind two ingresses."""

_OBJECT_STORE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCluster:
    """A running Ray.

    Attributes:
        port: Where Ray Serve speaks HTTP.
        folder: Ray's own temporary folder.
    """

    port: int
    folder: str

    @property
    def url(self) -> str:
        """Where Ray Serve speaks HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def arguments(
        self,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        **options: object,
    ) -> dict[str, object]:
        """Return what `build` is to be called with.

        Args:
            settings: Midfill's settings beside those of `SCRIPTED`, by section.
            options: The fields of `RayOptions`.
        """
        merged = {
            name: {**SCRIPTED.get(name, {}), **(settings or {}).get(name, {})}
            for name in {*SCRIPTED, *(settings or {})}
        }
        return {"is_loopback": True, "settings": merged, "max_replicas": 2, **options}

    def deploy(
        self,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        **options: object,
    ) -> None:
        """Deploy Midfill, perhaps again with other options, and wait until it is ready.

        Args:
            settings: As of `arguments`.
            options: As of `arguments`.
        """
        serve.run(build(self.arguments(settings, **options)), name=NAME)

    def statuses(self, deployment: str = ENGINES) -> list[Status]:
        """Return what the replicas of a deployment last said of themselves."""
        roster = serve.get_deployment_handle(ROSTER, NAME)
        reports: list[Report] = roster.reports.remote().result(timeout_s=20)
        statuses = [report.status for report in reports]
        return [each for each in statuses if each.deployment == deployment]

    def actors(self, deployment: str = ENGINES) -> dict[str, ActorHandle]:
        """Return the actors of a deployment's replicas, by the replicas' ids."""
        prefix = f"SERVE_REPLICA::{NAME}#{deployment}#"
        named = ray.util.list_named_actors(all_namespaces=True)
        names = [each["name"] for each in named if each["name"].startswith(prefix)]
        found = {}
        for name in names:
            # One may end meanwhile.
            with contextlib.suppress(ValueError):
                actor = ray.get_actor(name, namespace="serve")
                found[name.removeprefix(prefix)] = actor
        return found

    def ongoing(self, deployment: str = ENGINES) -> dict[str, int]:
        """Return how many requests each replica works on at this moment."""
        counts = {}
        for name, actor in self.actors(deployment).items():
            with contextlib.suppress(RayError):
                asked = actor.get_num_ongoing_requests.remote()
                counts[name] = int(ray.get(asked, timeout=20))
        return counts


@contextlib.contextmanager
def ray_cluster(*, cpus: int = 8, gpus: int = 0) -> Iterator[RayCluster]:
    """Run a Ray within the block; it believes to have so many CPUs and GPUs."""
    # Ray's sockets lie in it, and their paths must be short.
    with tempfile.TemporaryDirectory(
        prefix="ray", ignore_cleanup_errors=True
    ) as folder:
        # What Ray starts inherits them; the user's own settings are not to count.
        variables = {"RAY_USAGE_STATS_ENABLED": "0", "XDG_CONFIG_HOME": folder}
        try:
            with mock.patch.dict(os.environ, variables):
                _start(cpus, gpus, folder)
            port = free_port()
            serve.start(http_options=HTTPOptions(host="127.0.0.1", port=port))
            yield RayCluster(port=port, folder=folder)
        finally:
            if ray.is_initialized():
                serve.shutdown()
            ray.shutdown()


def _start(cpus: int, gpus: int, folder: str) -> None:
    """Start Ray, as `midfill ray serve` does."""
    start_ray(
        lambda: ray.init(
            num_cpus=cpus,
            num_gpus=gpus,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _temp_dir=folder,
            _node_ip_address="127.0.0.1",
        ),
        lambda _text: None,
    )
