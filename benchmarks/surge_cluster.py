"""Midfill's application on Ray for the surge: scripted engines, two routes."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import psutil
from ray import serve
from ray.serve.config import RequestRouterConfig
from ray.serve.schema import ServeDeploySchema

from midfill_ray.application import ENGINES

__all__ = [
    "APPLICATION",
    "Replicas",
    "Setup",
    "deploy",
    "processor_s",
    "replicas_now",
]

APPLICATION = "midfill"
_ANSWER = " + ".join(f"value_{number}" for number in range(8))
_START_S = 240.0

_PARTS: Mapping[str, str] = MappingProxyType(
    {
        "ProxyActor": "proxy",
        f"{APPLICATION}:ingress": "ingress",
        f"{APPLICATION}:engines": "engines",
        "ServeController": "controller",
        "gcs_server": "Ray's own",
        "raylet/raylet": "Ray's own",
    }
)
"""What stands in a process's command line, and what that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is deployed.

    Attributes:
        name: What it is called in the result.
        least: The fewest replicas.
        most: The most replicas.
        is_by_document: Whether a document's requests stay on a replica; else Ray
            Serve's own router takes the one of two with less to do.
        slices: The engine's share of an H200, see ``scripted.gpu_slices``.
        target: Requests in flight that a replica should have.
        start_ms: How long an engine takes to start.
    """

    name: str
    least: int
    most: int
    is_by_document: bool = True
    slices: int
    target: int
    start_ms: int

    @property
    def arguments(self) -> Mapping[str, object]:
        """The arguments of the application, as in ``serveConfigV2``."""
        return {
            "is_loopback": True,
            "min_replicas": self.least,
            "max_replicas": self.most,
            "target_ongoing_requests": self.target,
            "settings": {
                "engine": {"kind": "scripted", "max_num_seqs": 256 // self.slices},
                "scripted": {
                    "text": _ANSWER,
                    "gpu_slices": self.slices,
                    "start_delay_ms": self.start_ms,
                },
                "rest": {"aliases": "*"},
                "access": {"log": ""},
                "telemetry": {"store": False},
                "log": {"level": "warning"},
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """The engines' replicas at a moment."""

    running: int
    starting: int


async def deploy(setup: Setup) -> None:
    """Deploy the application in place of what ran, as `serve deploy` would.

    Raises:
        SystemExit: It did not start in time.
    """
    await asyncio.to_thread(serve.delete, APPLICATION)
    engines: dict[str, object] = {"name": ENGINES}
    if not setup.is_by_document:
        # Ray Serve's default.
        engines["request_router_config"] = RequestRouterConfig()
    application = {
        "name": APPLICATION,
        "import_path": "midfill_ray.application:build",
        "args": setup.arguments,
        "deployments": [engines],
    }
    schema = ServeDeploySchema.model_validate({"applications": [application]})
    client = serve.context._get_global_client()  # noqa: SLF001 - `serve deploy` needs a dashboard
    client.deploy_apps(schema)
    try:
        async with asyncio.timeout(_START_S):
            while not await asyncio.to_thread(_is_running):  # noqa: ASYNC110 - Ray tells nobody
                await asyncio.sleep(0.5)
    except TimeoutError as error:
        raise SystemExit(f"{setup.name} did not start") from error


def replicas_now() -> Replicas:
    """Return how many replicas the engines have."""
    application = serve.status().applications.get(APPLICATION)
    engines = application.deployments.get(ENGINES) if application else None
    states = engines.replica_states if engines else {}
    return Replicas(
        running=states.get("RUNNING", 0), starting=states.get("STARTING", 0)
    )


def processor_s() -> defaultdict[str, float]:
    """Return the processor's time that each part of this Ray has taken, in seconds."""
    taken: defaultdict[str, float] = defaultdict(float)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            for word, part in _PARTS.items():
                if word in line:
                    times = process.cpu_times()
                    taken[part] += times.user + times.system
    return taken


def _is_running() -> bool:
    application = serve.status().applications.get(APPLICATION)
    return bool(application and application.status == "RUNNING")
