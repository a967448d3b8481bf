"""The options of the Ray Serve application: how many replicas, when, with what."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lsp_server.errors import ConfigError
from lsp_server.raw_settings import config_path
from lsp_server.setting_layers import Layer, environment_layer, file_layer
from lsp_server.settings import Resolved, resolve

__all__ = ["ENGINES", "INGRESS", "ROSTER", "RayOptions", "parse_options"]

INGRESS = "ingress"
ENGINES = "engines"
ROSTER = "roster"
"""The names of the deployments."""

_log = logging.getLogger(__name__)

_Count = Annotated[int, Field(ge=0, le=100_000)]
_Positive = Annotated[int, Field(ge=1, le=100_000)]
_Seconds = Annotated[float, Field(gt=0, le=86_400)]

_QUEUE_FACTOR = 3
"""Requests that a replica holds for each that it is to work on: vLLM batches them."""


class RayOptions(BaseModel):
    """What ``args`` in ``serveConfigV2``, or ``midfill ray serve``, can say.

    Attributes:
        settings: Midfill's settings, section by section. They go before the environment
            and the file of a replica's node.
        config_file: Midfill's settings as a file on every node; empty for the user's.
        min_replicas: Replicas that always run. Size it for the peak where bursts are
            shorter than a replica's start.
        max_replicas: Most replicas.
        target_ongoing_requests: How many requests a replica is to work on: the knee,
            from where on each takes longer. Autoscaling aims at it, and a document's
            replica that works on more is passed over.
        max_ongoing_requests: Most requests that a replica takes, those included that
            wait in it; 0 is three times the target.
        spread: How many times the mean load a replica may have before its documents
            go to another one.
        upscale_delay_s: For how long there must be too much to do before another
            replica starts.
        downscale_delay_s: For how long there must be too little before one ends.
        metrics_interval_s: How often replicas report their load; below 1 the
            controller has too much to do in a large cluster.
        look_back_period_s: The time over which load is averaged.
        surge_percent: How many new replicas a rolling update starts before old ones
            end, as a share of all, rounded up. 0 ends an old one first, for clusters
            without room for one more: then a new one that does not start is missed.
        drain_s: How long a replica that ends has for its requests.
        health_interval_s: How often a replica has to generate a token.
        num_cpus: CPUs that Ray reserves for a replica.
        num_gpus: GPUs that Ray reserves for a replica, as a whole number for each of
            ``engine.tensor_parallel_size``; 0 where it computes on CPUs.
        omp_threads: Threads of a replica's engine; 0 leaves it to Midfill, although Ray
            has set the variable to ``num_cpus``.
        ingress_replicas: Processes that hold the editors' connections and documents.
        ingress_cpus: CPUs that Ray reserves for each of them.
        engines_of: The application whose engines the ingress uses; empty for its own.
        is_loopback: Whether Serve's proxies listen on loopback addresses alone, so that
            no key is needed where there is none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, dict[str, object]] = Field(default_factory=dict)
    config_file: str = ""
    min_replicas: _Positive = 1
    max_replicas: _Positive = 1
    target_ongoing_requests: _Positive = 8
    max_ongoing_requests: _Count = 0
    spread: Annotated[float, Field(ge=1, le=10)] = 1.25
    upscale_delay_s: Annotated[float, Field(ge=0, le=86_400)] = 5.0
    downscale_delay_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    metrics_interval_s: _Seconds = 1.0
    look_back_period_s: _Seconds = 5.0
    surge_percent: Annotated[int, Field(ge=0, le=100)] = 25
    drain_s: _Seconds = 30.0
    health_interval_s: _Seconds = 3.0
    num_cpus: Annotated[float, Field(ge=0, le=1024)] = 1.0
    num_gpus: _Count = 0
    omp_threads: _Count = 0
    ingress_replicas: _Positive = 1
    ingress_cpus: Annotated[float, Field(ge=0, le=1024)] = 0.5
    engines_of: str = ""
    is_loopback: bool = False

    @property
    def most_ongoing(self) -> int:
        """Most requests that a replica takes."""
        return self.max_ongoing_requests or _QUEUE_FACTOR * self.target_ongoing_requests

    @property
    def layers(self) -> list[Layer]:
        """Midfill's settings on this node, the strongest last."""
        path = Path(self.config_file) if self.config_file else config_path()
        files = [file_layer(path)] if path else []
        named = Layer(place="the application's settings", values=self.settings)
        return [*files, environment_layer(os.environ), named]

    def resolved(self) -> Resolved:
        """Return Midfill's settings on this node; a wrong one costs itself alone."""
        resolved = resolve(self.layers)
        for problem in resolved.problems:
            _log.warning("ray.setting", extra={"problem": str(problem)})
        return resolved


def parse_options(arguments: Mapping[str, object]) -> RayOptions:
    """Check the options of an application.

    Raises:
        ConfigError: One is unknown, of the wrong type, or out of range.
    """
    try:
        options = RayOptions.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        is_unknown = first["type"] == "extra_forbidden"
        raise ConfigError(
            "there is no such option"
            if is_unknown
            else first["msg"].replace("Input should be", "it should be"),
            subject=f"args.{'.'.join(map(str, first['loc']))}",
            remedy="See docs/ray.md for the options",
        ) from error
    if options.max_replicas < options.min_replicas:
        raise ConfigError(
            f"it is less than min_replicas ({options.min_replicas})",
            subject="args.max_replicas",
            remedy="Raise it",
        )
    if options.most_ongoing < options.target_ongoing_requests:
        raise ConfigError(
            "it is less than target_ongoing_requests",
            subject="args.max_ongoing_requests",
            remedy="Take two to four times the target",
        )
    return options
